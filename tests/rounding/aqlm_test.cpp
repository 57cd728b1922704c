#include "rounding/schemes/aqlm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "core/base/error.h"
#include "rounding/solvers/additive.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::MakeLayer;
using testing::RandomTensor;
using testing::RandomWeight;
using testing::TensorNear;

/// Two rows of two groups of two weights, two codebooks of two vectors.
struct TinyCode {
  at::Tensor weight = RandomTensor({2, 4}, 1);
  at::Tensor moment = [] {
    const at::Tensor x = RandomTensor({9, 4}, 2);
    return at::mm(x.t(), x) / 9;
  }();
  AdditiveCode code{at::zeros({2, 2, 2}, at::kLong), RandomTensor({2, 2, 2}, 3),
                    at::tensor({1.0F, 2.0F})};

  double Loss(const at::Tensor& codes) const {
    return AdditiveLoss(weight, moment, {codes, code.codebooks, code.scales}).item<double>();
  }
  /// Of all 2^8 codes.
  double Least(const at::Tensor& h) const {
    double least = std::numeric_limits<double>::infinity();
    for (std::int64_t n = 0; n < 256; ++n) {
      at::Tensor codes = at::empty({8}, at::kLong);
      std::int64_t rest = n;
      for (std::int64_t i = 0; i < 8; ++i, rest /= 2) codes[i] = rest % 2;
      const AdditiveCode tried{codes.view({2, 2, 2}), code.codebooks, code.scales};
      least = std::min(least, AdditiveLoss(weight, h, tried).item<double>());
    }
    return least;
  }
};

TEST(AdditiveTest, AWideBeamFindsTheBestCodes) {
  const TinyCode tiny;
  const double least = tiny.Least(tiny.moment);
  const at::Tensor found = SearchOutputs(tiny.weight, tiny.moment, tiny.code, 81);
  EXPECT_NEAR(tiny.Loss(found), least, 1e-6);
  const at::Tensor identity = at::eye(4);
  const at::Tensor plain = SearchWeights(tiny.weight, tiny.code, 9);
  const AdditiveCode coded{plain, tiny.code.codebooks, tiny.code.scales};
  EXPECT_NEAR(AdditiveLoss(tiny.weight, identity, coded).item<double>(), tiny.Least(identity),
              1e-6);
}

TEST(AdditiveTest, SearchesNeverLoseMore) {
  const TinyCode tiny;
  const double before = tiny.Loss(tiny.code.codes);
  for (const std::int64_t beam : {1, 2, 4}) {
    EXPECT_LE(tiny.Loss(SearchOutputs(tiny.weight, tiny.moment, tiny.code, beam)), before + 1e-6);
  }
  // A group by itself needs no beam where one codebook is searched.
  AdditiveCode one{tiny.code.codes.narrow(2, 0, 1), tiny.code.codebooks.narrow(0, 0, 1),
                   tiny.code.scales};
  EXPECT_TRUE(at::equal(SearchOutputs(tiny.weight, at::eye(4), one, 1),
                        SearchWeights(tiny.weight, one, 1)));
}

TEST(AdditiveTest, PointsThatAreCentersStay) {
  const at::Tensor points = RandomTensor({5, 3}, 1);
  EXPECT_TRUE(at::equal(VectorClusters(points.repeat({2, 1}), points, 100), points));
  // The mean of two, and one center without points.
  const at::Tensor centers = at::tensor({0.0F, 100.0F}).view({2, 1});
  EXPECT_TRUE(at::equal(VectorClusters(at::tensor({1.0F, 2.0F}).view({2, 1}), centers, 100),
                        at::tensor({1.5F, 100.0F}).view({2, 1})));
}

TEST(AqlmTest, TuningNeverEndsAboveItsStart) {
  const LayerContext layer = MakeLayer(RandomWeight(16, 64, 1), {2, -1});
  for (const char* options : {"lr: 0.0001", "lr: 10", "lr: 0.01\nbeam: 3"}) {
    SCOPED_TRACE(options);
    const auto state =
        RoundingSchemes()
            .FromText("type: aqlm\ncode_bits: 4\nepochs: 4\nsteps: 5\n" + std::string(options))
            .make()
            ->Begin(layer);
    const Diagnostics told = state->Diagnose();
    EXPECT_LE(told.at("loss_after")[0], told.at("loss_before")[0]);
    const at::Tensor gap = (state->Finish().Dequantize() - layer.weight).to(at::kDouble);
    const at::Tensor moment = layer.inputs->second_moment.to(at::kDouble) / 50;
    const double loss = (at::mm(gap, moment) * gap).sum().item<double>() / 16;
    EXPECT_NEAR(loss, told.at("loss_after")[0], 0.01 * loss);
    EXPECT_EQ(state->Finish().BitsPerWeight(), (128 * 4 * 4 + 4 * 16 * 8 * 16 + 16 * 16) / 1024.0);
  }
}

TEST(AqlmTest, LayersWithoutStatisticsAreCodedForTheirWeights) {
  LayerContext layer = MakeLayer(RandomWeight(16, 64, 1), {2, -1});
  std::string told;
  layer.tell = [&](const std::string& text) { told = text; };
  const auto begin = [&](const std::shared_ptr<const InputStatistics>& inputs) {
    layer.inputs = inputs;
    return RoundingSchemes()
        .FromText("type: aqlm\ncode_bits: 2\nepochs: 1\nsteps: 1")
        .make()
        ->Begin(layer)
        ->Diagnose()
        .at("fallback")[0];
  };
  EXPECT_EQ(begin(testing::RandomInputs(64, 3)), 0);
  EXPECT_EQ(told, "");
  const auto inputs = std::make_shared<InputStatistics>();
  EXPECT_EQ(begin(inputs), 1);
  EXPECT_EQ(told, "layer: coded for the least error of weights, since no token reached it");
  inputs->tokens = 1;
  inputs->second_moment = at::zeros({64, 64});
  begin(inputs);
  EXPECT_EQ(told, "layer: coded for the least error of weights, since its inputs are all 0");
  inputs->second_moment[0][0] = std::numeric_limits<float>::infinity();
  begin(inputs);
  EXPECT_EQ(told, "layer: coded for the least error of weights, since its inputs are not finite");
}

TEST(AqlmTest, ErrorsAreExact) {
  const auto begin = [](const std::string& options, std::int64_t in) {
    return ErrorOf([&] {
      RoundingSchemes()
          .FromText("type: aqlm\n" + options)
          .make()
          ->Begin(MakeLayer(RandomWeight(8, in, 1), {3, -1}));
    });
  };
  EXPECT_EQ(begin("", 64),
            "layer: scheme 'aqlm': 3 codebooks of 256 vectors of 8 have more values (6144) than "
            "their matrix (512)");
  EXPECT_EQ(begin("code_bits: 2", 100),
            "layer: scheme 'aqlm': groups of 8 don't fill a row of 100 weights");
  EXPECT_EQ(begin("code_bits: 5", 64),
            "layer: scheme 'aqlm': quant.bits 3 on groups of 8 are no whole number of codes of 5 "
            "bits (codebooks: N says how many)");
  EXPECT_EQ(begin("code_bits: 5\ncodebooks: 1\nepochs: 0", 64), "");
  LayerContext layer = MakeLayer(RandomWeight(8, 64, 1), {2, -1});
  layer.inputs.reset();
  EXPECT_EQ(ErrorOf([&] { testing::BeginLayer("type: aqlm\ncode_bits: 2", layer); }),
            "layer: scheme 'aqlm' needs calibration data");
}

}  // namespace
}  // namespace roundlab
