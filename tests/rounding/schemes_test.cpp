#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "rounding/schemes/adaround.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::ForAllSpecs;
using testing::MakeLayer;
using testing::RandomWeight;
using testing::TensorNear;

QuantizedWeight Round(const std::string& recipe, const at::Tensor& weight, const QuantSpec& spec,
                      std::uint64_t seed = 7) {
  return RoundingSchemes().FromText(recipe).make()->Begin(MakeLayer(weight, spec, seed))->Finish();
}

double SquaredError(const QuantizedWeight& rounded, const at::Tensor& weight) {
  return (rounded.Dequantize() - weight).to(at::kDouble).square().sum().item<double>();
}

TEST(RtnTest, NoCodeOfTheGridIsNearer) {
  ForAllSpecs([](const QuantSpec& spec, std::int64_t in) {
    const at::Tensor weight = RandomWeight(8, in, 3);
    const QuantizedWeight rounded = Round("type: rtn", weight, spec);
    const GroupLayout layout = rounded.Layout();
    const at::Tensor all = at::arange(spec.CodeMax() + 1, at::kFloat);
    const at::Tensor points =
        (rounded.scale.reshape({-1, 1}) * (all - rounded.zero.reshape({-1, 1}))).unsqueeze(1);
    const at::Tensor groups = layout.Split(weight);
    const at::Tensor least = (points - groups.unsqueeze(2)).abs().amin(2);
    const at::Tensor error = layout.Split((rounded.Dequantize() - weight).abs());
    // Two candidates at equal distance may swap by a rounding of w / s.
    const at::Tensor slack = 1e-5 * rounded.scale.abs().reshape({-1, 1});
    ASSERT_TRUE((error <= least + slack).all().item<bool>());
  });
}

TEST(RtnTest, ErrorsAreAtMostHalfAStep) {
  for (const GridKind grid : {GridKind::kAsym, GridKind::kSym}) {
    for (const std::int64_t group : {32, -1, 0, 24}) {
      const QuantSpec spec{8, group, grid, ScaleType::kFloat32, false};
      SCOPED_TRACE(testing::ToString(spec));
      const at::Tensor weight = RandomWeight(8, 100, 3);
      const QuantizedWeight rounded = Round("type: rtn", weight, spec);
      const at::Tensor error = rounded.Layout().Split((rounded.Dequantize() - weight).abs());
      EXPECT_TRUE((error <= rounded.scale.reshape({-1, 1}) * (0.5 + 1e-4)).all().item<bool>());
    }
  }
}

TEST(RtnTest, MoreBitsNeverRaiseTheError) {
  for (const GridKind grid : {GridKind::kAsym, GridKind::kSym, GridKind::kSymFull}) {
    for (const std::int64_t group : {32, -1, 0, 24}) {
      const at::Tensor weight = RandomWeight(8, 100, 3);
      double last = INFINITY;
      for (std::int64_t bits = 2; bits <= 8; ++bits) {
        const double error = SquaredError(
            Round("type: rtn", weight, {bits, group, grid, ScaleType::kFloat32}), weight);
        EXPECT_LT(error, last) << EnumName(grid, GridNames()) << " " << group << " bits " << bits;
        last = error;
      }
    }
  }
}

TEST(RtnTest, RoundingWhatIsOnTheGridChangesNothing) {
  ForAllSpecs([](const QuantSpec& spec, std::int64_t in) {
    const LayerContext first = MakeLayer(RandomWeight(8, in, 3), spec);
    const auto scheme = RoundingSchemes().FromText("type: rtn").make();
    const QuantizedWeight once = scheme->Begin(first)->Finish();
    LayerContext second = first;
    second.weight = once.Dequantize();
    const QuantizedWeight twice = scheme->Begin(second)->Finish();
    ASSERT_TRUE(at::equal(once.codes, twice.codes));
    ASSERT_TRUE(testing::SameBits(once.Dequantize(), twice.Dequantize()));
  });
}

TEST(RtnTest, TiesGoToEven) {
  // Scale 1, zero 8: 2.5 and 3.5 lie between two codes each.
  const at::Tensor weight = at::tensor({-8.0, 7.0, 2.5, 3.5, -2.5, -3.5, 0.5, 0.0}).view({1, 8});
  const QuantizedWeight rounded =
      Round("type: rtn", weight.to(at::kFloat), {4, -1, GridKind::kAsym, ScaleType::kFloat32});
  EXPECT_TRUE(TensorNear(
      rounded.Dequantize(),
      at::tensor({-8.0F, 7.0F, 2.0F, 4.0F, -2.0F, -4.0F, 0.0F, 0.0F}).view({1, 8}), 0, 0));
}

TEST(SignRoundTest, StartsAtRoundToNearest) {
  ForAllSpecs([](const QuantSpec& spec, std::int64_t in) {
    const at::Tensor weight = RandomWeight(8, in, 3);
    for (const char* options : {"", "\ntune_range: false", "\ntune_offset: false"}) {
      ASSERT_TRUE(
          testing::SameWeights(Round(std::string("type: signround") + options, weight, spec),
                               Round("type: rtn", weight, spec)));
    }
  });
}

TEST(SignRoundTest, OptionsChooseWhatIsTuned) {
  const LayerContext context =
      MakeLayer(RandomWeight(8, 64, 3), {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto names = [&](const std::string& options) {
    std::string all;
    const auto layer =
        RoundingSchemes().FromText("type: signround" + options).make()->Begin(context);
    for (const ParameterGroup& group : layer->Parameters()) {
      all += group.name + std::to_string(group.tensors.size()) + " ";
    }
    return all;
  };
  EXPECT_EQ(names(""), "offset1 range2 ");
  EXPECT_EQ(names("\ntune_range: false"), "offset1 ");
  EXPECT_EQ(names("\ntune_offset: false"), "range2 ");
  EXPECT_EQ(names("\ntune_range: false\ntune_offset: false"), "");
  const auto scheme =
      RoundingSchemes().FromText("type: signround\ntune_range: false\ntune_offset: false").make();
  EXPECT_FALSE(scheme->Traits().tunable);
}

TEST(SignRoundTest, ProjectKeepsFactorsAndOffsetsInTheirBox) {
  const LayerContext context =
      MakeLayer(RandomWeight(8, 64, 3), {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  for (const double clamp : {0.0, 0.25}) {
    const auto layer = RoundingSchemes()
                           .FromText("type: signround\noffset_clamp: " + std::to_string(clamp))
                           .make()
                           ->Begin(context);
    const auto groups = layer->Parameters();
    {
      const c10::NoGradGuard no_grad;
      groups[0].tensors[0].fill_(-0.9);
      groups[1].tensors[0].fill_(1.3);
      groups[1].tensors[1].fill_(-0.2);
    }
    layer->Project(0.5);
    EXPECT_EQ(groups[0].tensors[0].min().item<float>(), clamp > 0 ? -0.25F : -0.9F);
    EXPECT_EQ(groups[1].tensors[0].max().item<double>(), 1);
    EXPECT_EQ(groups[1].tensors[1].min().item<double>(), 0);
  }
}

TEST(SignRoundTest, CodesStayWithinOneOfTheUntunedPosition) {
  const at::Tensor weight = RandomWeight(8, 64, 3);
  const QuantSpec spec{3, 32, GridKind::kAsym, ScaleType::kFloat32};
  const LayerContext context = MakeLayer(weight, spec);
  const auto layer = RoundingSchemes()
                         .FromText("type: signround\ntune_range: false\noffset_clamp: 0.5")
                         .make()
                         ->Begin(context);
  testing::RandomSteps(layer.get(), 1, 20);
  const QuantizedWeight rounded = layer->Finish();
  const GroupLayout layout = rounded.Layout();
  const at::Tensor position = layout.Split(weight) / rounded.scale.reshape({-1, 1});
  const at::Tensor code =
      layout.Split(rounded.codes.to(at::kFloat)) - rounded.zero.reshape({-1, 1});
  EXPECT_TRUE(((code - position).abs() <= 1 + 1e-5).all().item<bool>());
  EXPECT_GT((rounded.codes != Round("type: rtn", weight, spec).codes).sum().item<std::int64_t>(),
            0);
}

TEST(AdaRoundTest, StartsAtTheWeightItself) {
  ForAllSpecs([](const QuantSpec& spec, std::int64_t in) {
    const at::Tensor weight = RandomWeight(8, in, 3);
    const LayerContext context = MakeLayer(weight, spec);
    const auto layer = RoundingSchemes().FromText("type: adaround").make()->Begin(context);
    const QuantizedWeight rounded = layer->Finish();
    const GroupLayout layout = rounded.Layout();
    const at::Tensor scale = rounded.scale.reshape({-1, 1});
    const at::Tensor zero = rounded.zero.reshape({-1, 1});
    // Where the grid does not clip: h(V) is the fraction of w / s.
    const at::Tensor expected =
        scale * ((layout.Split(weight) / scale + zero).clamp(0, spec.CodeMax()) - zero);
    const double size = expected.abs().max().item<double>();
    ASSERT_TRUE(TensorNear(layer->SoftWeight(), layout.Join(expected), 1e-5 * size, 0));
  });
}

TEST(AdaRoundTest, CodesAreFloorOrOneMore) {
  const at::Tensor weight = RandomWeight(8, 64, 3);
  const LayerContext context = MakeLayer(weight, {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto layer = RoundingSchemes().FromText("type: adaround").make()->Begin(context);
  {
    const c10::NoGradGuard no_grad;
    const at::Tensor logit = layer->Parameters()[0].tensors[0];
    logit.fill_(1);
    logit.select(1, 0).fill_(0);  // V = 0 is up
    logit.narrow(1, 16, 16).fill_(-1e-6);
  }
  const QuantizedWeight rounded = layer->Finish();
  const GroupLayout layout = rounded.Layout();
  const at::Tensor floor = (layout.Split(weight) / rounded.scale.reshape({-1, 1})).floor();
  at::Tensor expected = floor + 1;
  expected.narrow(1, 16, 16).copy_(floor.narrow(1, 16, 16));
  expected = (expected + rounded.zero.reshape({-1, 1})).clamp(0, 15);
  EXPECT_TRUE(TensorNear(layout.Split(rounded.codes.to(at::kFloat)), expected, 0, 0));
}

TEST(AdaRoundTest, PenaltyStartsAfterTheWarmUpAndFollowsItsExponent) {
  const LayerContext context =
      MakeLayer(RandomWeight(2, 32, 3), {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto layer =
      RoundingSchemes().FromText("type: adaround\nwarmup: 0.25").make()->Begin(context);
  EXPECT_FALSE(layer->Penalty(0).defined());
  EXPECT_FALSE(layer->Penalty(0.2499).defined());
  {
    const c10::NoGradGuard no_grad;  // h = 0.6 * 1.2 - 0.1 = 0.62, 2 h - 1 = 0.24
    layer->Parameters()[0].tensors[0].fill_(std::log(0.6 / 0.4));
  }
  for (const double progress : {0.25, 0.625, 1.0}) {
    const double beta = 20 - 18 * (progress - 0.25) / 0.75;
    const double expected = 0.01 * 64 * (1 - std::pow(0.24, beta));
    EXPECT_NEAR(layer->Penalty(progress).item<double>(), expected, 1e-6) << progress;
  }
  AdaRound::Options cosine;
  cosine.beta_schedule = BetaSchedule::kCosine;
  EXPECT_DOUBLE_EQ(cosine.Beta(0.2), 20);
  EXPECT_DOUBLE_EQ(cosine.Beta(0.6), 11);
  EXPECT_DOUBLE_EQ(cosine.Beta(1), 2);
  const auto none =
      RoundingSchemes().FromText("type: adaround\nreg_weight: 0").make()->Begin(context);
  EXPECT_FALSE(none->Penalty(1).defined());
}

TEST(StochasticTest, RoundsUpAsOftenAsTheFraction) {
  // Scale 1, zero 0 (asym, 0 ... 15): 4096 weights of 2.3 become 2 or 3.
  at::Tensor weight = at::full({1, 4098}, 2.3);
  weight[0][0] = 0;
  weight[0][1] = 15;
  const QuantizedWeight rounded =
      Round("type: stochastic", weight, {4, -1, GridKind::kAsym, ScaleType::kFloat32});
  const at::Tensor codes = rounded.codes.narrow(1, 2, 4096).to(at::kDouble);
  EXPECT_EQ(codes.min().item<double>(), 2);
  EXPECT_EQ(codes.max().item<double>(), 3);
  // Standard error sqrt(0.3 * 0.7 / 4096) = 0.0072; four of them.
  EXPECT_NEAR(codes.mean().item<double>(), 2.3, 0.029);
}

TEST(StochasticTest, OtherSeedsDrawOtherwiseAndLoseToNearest) {
  const at::Tensor weight = RandomWeight(8, 64, 3);
  const QuantSpec spec{4, 32, GridKind::kAsym, ScaleType::kFloat32};
  const QuantizedWeight one = Round("type: stochastic", weight, spec, 1);
  const QuantizedWeight two = Round("type: stochastic", weight, spec, 2);
  EXPECT_GT((one.codes != two.codes).sum().item<std::int64_t>(), 100);
  EXPECT_GT(SquaredError(one, weight), SquaredError(Round("type: rtn", weight, spec), weight));
}

}  // namespace
}  // namespace roundlab
