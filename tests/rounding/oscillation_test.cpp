#include "rounding/schemes/oscillation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::MakeLayer;
using testing::RandomWeight;
using testing::SameWeights;
using testing::TensorNear;

OscillationOptions Freezing(double momentum, bool at_average) {
  OscillationOptions options;
  options.momentum = momentum;
  options.freeze_at_average = at_average;
  return options;
}

TEST(OscillationTest, CountsMovesAgainstTheLastMove) {
  OscillationTracker tracker(Freezing(0.5, true), at::zeros({1}));
  std::vector<bool> oscillated;
  // Up, pause, up again: none. Down: one. Pause. Down again: none. Up: one.
  for (const float code : {1.0F, 2.0F, 2.0F, 3.0F, 2.0F, 2.0F, 1.0F, 2.0F}) {
    tracker.Track(at::full({1}, code), 0);
    oscillated.push_back(tracker.Oscillated().item<bool>());
  }
  EXPECT_EQ(oscillated, (std::vector<bool>{false, false, false, false, true, false, false, true}));
  EXPECT_EQ(tracker.Frequency().item<double>(), 0.5 + 0.5 * 0.5 * 0.5 * 0.5);
  EXPECT_FALSE(tracker.Frozen().item<bool>());
}

TEST(OscillationTest, FreezesAtTheAverageOfEarlierStepsOrAtTheCode) {
  for (const bool at_average : {true, false}) {
    OscillationTracker tracker(Freezing(0.25, at_average), at::zeros({1}));
    for (const float code : {5.0F, 6.0F, 5.0F}) tracker.Track(at::full({1}, code), 0.3);
    EXPECT_FALSE(tracker.Frozen().item<bool>());  // f = 0.25
    tracker.Track(at::full({1}, 9.0F), 0.3);      // f = 0.4375
    EXPECT_TRUE(tracker.Frozen().item<bool>());
    // Average before the step: 5, 5.25, 5.1875.
    EXPECT_EQ(tracker.Fix(at::full({1}, 7.0F)).item<float>(), at_average ? 5 : 9);
  }
}

TEST(OscillationTest, SchedulesFollowHalfACosine) {
  OscillationOptions options;
  EXPECT_EQ(options.FreezeThreshold(1), 0);
  EXPECT_EQ(options.DampenWeight(1), 0);
  options.freeze = 0.1;
  options.dampen = 0.4;
  EXPECT_EQ(options.FreezeThreshold(0.2499), 0);
  EXPECT_NEAR(options.FreezeThreshold(0.25), 0.1, 1e-12);
  EXPECT_NEAR(options.FreezeThreshold(0.625), 0.055, 1e-12);
  EXPECT_NEAR(options.FreezeThreshold(1), 0.01, 1e-12);
  EXPECT_EQ(options.DampenWeight(0.2), 0);
  EXPECT_NEAR(options.DampenWeight(0.625), 0.2, 1e-12);
  EXPECT_NEAR(options.DampenWeight(1), 0.4, 1e-12);
}

TEST(OscillationTest, DampeningReductions) {
  const at::Tensor latent = at::tensor({0.0F, 1.0F, 2.0F, 3.0F}).view({2, 2});
  const at::Tensor rounded = at::tensor({1.0F, 1.0F, 4.0F, 2.0F}).view({2, 2});
  EXPECT_EQ(DampeningLoss(latent, rounded, DampenReduction::kSum).item<double>(), 1 + 4 + 1);
  EXPECT_EQ(DampeningLoss(latent, rounded, DampenReduction::kMean).item<double>(), 6.0 / 4);
  EXPECT_EQ(DampeningLoss(latent, rounded, DampenReduction::kKernelMean).item<double>(),
            (5 + 1) / 2.0);
}

std::unique_ptr<LayerRounding> SignRoundLayerWith(const std::string& oscillation) {
  return RoundingSchemes()
      .FromText("type: signround\noscillation: {" + oscillation + "}")
      .make()
      ->Begin(MakeLayer(RandomWeight(8, 64, 3), {3, 32, GridKind::kAsym, ScaleType::kFloat32}));
}

TEST(OscillationTest, SignRoundHoldsAFrozenCode) {
  const auto layer = SignRoundLayerWith("momentum: 1, freeze: 0.5, start: 0");
  const at::Tensor offset = layer->Parameters()[0].tensors[0];
  const at::Tensor first = layer->Finish().codes.clone();
  layer->Project(0);
  const auto shift = [&](double by) {
    const c10::NoGradGuard no_grad;
    offset.fill_(by);
  };
  shift(1);
  layer->Project(0.5);
  const at::Tensor up = layer->Finish().codes.clone();
  EXPECT_GT((up != first).sum().item<std::int64_t>(), 400);
  shift(0);  // all that moved oscillate
  layer->Project(0.5);
  const double frozen = layer->Diagnose().at("frozen")[0];
  EXPECT_GT(frozen, 0.8);
  // With all momentum, the average before a step is the step before it.
  shift(-2);
  const QuantizedWeight held = layer->Finish();
  EXPECT_LE((held.codes != up).to(at::kDouble).mean().item<double>(), 1 - frozen);
  EXPECT_TRUE(TensorNear(layer->SoftWeight(), held.Dequantize(), 0, 0));
  // And gets no gradient.
  layer->SoftWeight().square().sum().backward();
  EXPECT_LE((offset.grad() != 0).to(at::kDouble).mean().item<double>(), 1 - frozen);
}

TEST(OscillationTest, SignRoundAddsTheDampeningLoss) {
  const auto layer = SignRoundLayerWith("dampen: 0.5, start: 0, dampen_reduction: sum");
  EXPECT_FALSE(layer->Penalty(0).defined());
  const at::Tensor offset = layer->Parameters()[0].tensors[0];
  const at::Tensor penalty = layer->Penalty(1);
  penalty.backward();
  const LayerContext context =
      MakeLayer(RandomWeight(8, 64, 3), {3, 32, GridKind::kAsym, ScaleType::kFloat32});
  const AffineGrid grid = MakeGrid(context.range, context.spec);
  const at::Tensor scale = grid.scale.unsqueeze(1);
  const at::Tensor position = context.Layout().Split(context.weight) / scale;
  const at::Tensor zero = grid.zero.unsqueeze(1);
  const at::Tensor latent = (position + zero).clamp(0, 7);
  const at::Tensor gap = latent - ((position.round() + zero).clamp(0, 7));
  EXPECT_NEAR(penalty.item<double>(), 0.5 * (scale * gap).square().sum().item<double>(), 1e-5);
  EXPECT_TRUE(TensorNear(offset.grad(), scale.square() * gap, 1e-6, 1e-5));
}

}  // namespace
}  // namespace roundlab
