#include "rounding/schemes/quip.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/quant/incoherence.h"
#include "rounding/solvers/gptq.h"
#include "rounding/solvers/ldlq.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::ErrorOf;
using testing::MakeLayer;
using testing::RandomTensor;
using testing::RandomWeight;
using testing::TensorNear;

at::Tensor RandomMoment(std::int64_t in, std::uint64_t seed) {
  const at::Tensor x =
      RandomTensor({3 * in, in}, seed).to(at::kDouble) * at::linspace(0.2, 3, in, at::kDouble);
  const at::Tensor mixed = at::mm(x, RandomTensor({in, in}, seed + 1, 0.1).to(at::kDouble)) + x;
  return at::mm(mixed.t(), mixed) / static_cast<double>(3 * in);
}

/// tr((W - W^) H (W - W^)^T)
double Lost(const at::Tensor& error, const at::Tensor& moment) {
  const at::Tensor e = error.to(at::kDouble);
  return (at::mm(e, moment.to(at::kDouble)) * e).sum().item<double>();
}

TEST(LdlqTest, FindsWhatGptqFinds) {
  const QuantSpec spec{3, 16, GridKind::kAsym, ScaleType::kFloat32, false};
  for (const std::int64_t in : {16, 48, 160}) {  // one group; several; two blocks
    SCOPED_TRACE(in);
    const at::Tensor weight = RandomTensor({12, in}, 3).to(at::kDouble);
    at::Tensor moment = RandomMoment(in, 5);
    GptqSettings settings;
    settings.group_size = 16;
    settings.code_max = 7;
    settings.static_groups = true;
    const auto grid = [&](const at::Tensor& groups, const at::Tensor& /*columns*/) {
      return MakeGrid(MinMaxRange(groups.to(at::kFloat)), spec);
    };
    const GptqSolution gptq = SolveGptq({weight, moment, {}, grid}, settings);
    moment.diagonal().add_(0.01 * moment.diagonal().mean());
    const LdlqSolution ldlq = SolveLdlq(
        {weight, moment, gptq.scale, gptq.zero, gptq.g_idx.to(at::kLong), settings.code_max});
    EXPECT_TRUE(at::equal(ldlq.codes, gptq.codes));
    const at::Tensor decoded =
        gptq.scale.repeat_interleave(16, 1) * (ldlq.codes - gptq.zero.repeat_interleave(16, 1));
    EXPECT_NEAR(ldlq.loss, Lost(weight - decoded, moment), 1e-9 * ldlq.loss);
  }
}

TEST(LdlqTest, WithoutAFactorThereAreNoCodes) {
  at::Tensor moment = at::eye(4, at::kDouble);
  moment[2][2] = -1;
  const at::Tensor ones = at::ones({2, 1}, at::kDouble);
  EXPECT_FALSE(
      SolveLdlq({at::ones({2, 4}, at::kDouble), moment, ones, ones, at::zeros({4}, at::kLong), 3})
          .codes.defined());
}

TEST(QuipTest, CodesLieOnTheirGridInTheMixedBasis) {
  for (const char* basis : {"scaled", "mixed", "own"}) {
    SCOPED_TRACE(basis);
    const LayerContext layer = MakeLayer(RandomWeight(16, 96, 1), {2, 32});
    const auto state = BeginLayer("type: quip\nbasis: " + std::string(basis), layer);
    const QuantizedWeight rounded = state->Finish();
    at::Tensor there = rounded.Dequantize();
    const bool mixed = std::string(basis) != "own";
    ASSERT_EQ(rounded.row_signs.defined(), mixed);
    if (mixed) {
      there = ToIncoherent(there, {rounded.row_signs, rounded.column_signs, rounded.column_scale});
    }
    const at::Tensor steps = there / rounded.scale.repeat_interleave(32, 1) + 1.5;
    EXPECT_TRUE(TensorNear(steps, rounded.codes.to(at::kFloat), 1e-4, 0));
    // The loss that was told is that of the weight that is kept, with the moment as it was damped.
    at::Tensor moment = layer.inputs->second_moment / 50;
    moment.diagonal().add_(0.01 * moment.diagonal().mean());
    EXPECT_NEAR(state->Diagnose().at("relative_loss")[0],
                Lost(rounded.Dequantize() - layer.weight, moment) / Lost(layer.weight, moment),
                1e-4);
    const double basis_bits =
        mixed ? (16 + 96) + (rounded.column_scale.defined() ? 96 * 16 : 0) : 0;
    EXPECT_NEAR(rounded.BitsPerWeight(), 2 + 16 / 32.0 + basis_bits / (16 * 96), 1e-12);
  }
}

TEST(QuipTest, MixingHelpsWhereWeightsStandOut) {
  at::Tensor weight = RandomWeight(32, 64, 1) * 0.1;
  for (std::int64_t i = 0; i < 32; ++i) weight[i][(7 * i) % 64] = 4;
  const LayerContext layer = MakeLayer(weight, {2, 0});
  const auto lost = [&](const std::string& basis) {
    const Diagnostics told =
        BeginLayer("type: quip\nspreads: [1.2, 1.6, 2, 2.4]\nbasis: " + basis, layer)->Diagnose();
    if (basis != "own") {
      EXPECT_LT(told.at("incoherence")[1], 0.7 * told.at("incoherence")[0]);
    }
    return told.at("relative_loss")[0];
  };
  const double own = lost("own");
  EXPECT_LT(lost("mixed"), 0.5 * own);
  EXPECT_LT(lost("scaled"), 0.5 * own);
}

TEST(QuipTest, LayersWithoutStatisticsAreRoundedToNearest) {
  LayerContext layer = MakeLayer(RandomWeight(8, 32, 1), {2, -1});
  std::string told;
  layer.tell = [&](const std::string& text) { told = text; };
  const auto begin = [&] { return BeginLayer("type: quip", layer)->Diagnose(); };
  EXPECT_EQ(begin().at("fallback")[0], 0);
  const auto inputs = std::make_shared<InputStatistics>();
  layer.inputs = inputs;
  EXPECT_EQ(begin().at("fallback")[0], 1);
  EXPECT_EQ(told, "layer: rounded to nearest, since no token reached it");
  inputs->tokens = 4;
  inputs->second_moment = at::eye(32);
  inputs->second_moment[3][3] = 0;
  const auto state = BeginLayer("type: quip\nbasis: own", layer);
  EXPECT_EQ(state->Diagnose().at("dead_columns")[0], 1);
  inputs->second_moment[3][3] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(begin().at("fallback")[0], 1);
  EXPECT_EQ(told, "layer: rounded to nearest, since its inputs are not finite");
  layer.inputs.reset();
  EXPECT_EQ(ErrorOf(begin), "layer: scheme 'quip' needs calibration data");
  EXPECT_EQ(ErrorOf([] { RoundingSchemes().FromText("type: quip\nspreads: []"); }),
            "builtin:2:10: rounding scheme: spreads: at least one is needed");
}

}  // namespace
}  // namespace roundlab
