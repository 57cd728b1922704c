#include "rounding/schemes/oscillation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "rounding/schemes/oscillation_layer.h"
#include "rounding/stage.h"
#include "tests/core/formats/format_files.h"
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

const QuantSpec kThree{3, 32, GridKind::kAsym, ScaleType::kFloat32};
const std::vector<std::string> kStraightThrough = {"signround",    "signround_v2", "flexround",
                                                   "lrq\nrank: 4", "omniquant",    "aquant"};

std::unique_ptr<LayerRounding> Watched(const std::string& scheme, const std::string& oscillation,
                                       const QuantSpec& spec = kThree) {
  OscillationOptions options;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(oscillation, "o.yaml"), "", FieldsOf(&options), &diagnostics);
  ROUNDLAB_CHECK(diagnostics.empty(), "options that can be read");
  auto layer = testing::BeginLayer("type: " + scheme, MakeLayer(RandomWeight(8, 64, 3), spec));
  return WithOscillation(std::move(layer), options);
}

TEST(OscillationTest, ItsStateIsAllThatChanges) {
  const std::string options = "momentum: 0.5\nfreeze: 0.3\nstart: 0.5\n";
  const auto gone = Watched("signround", options);
  const auto fresh = Watched("signround", options);
  testing::RandomSteps(gone.get(), 1, 4, 0.6);  // has averaged and frozen codes
  testing::CopyState(*fresh, gone.get());
  for (LayerRounding* each : {gone.get(), fresh.get()}) {
    testing::RandomSteps(each, 2, 6, 0.4);
    testing::RandomSteps(each, 3, 6, 0.9);
  }
  EXPECT_GT(fresh->Diagnose().at("frozen")[0], 0);
  EXPECT_EQ(gone->Diagnose(), fresh->Diagnose());
  EXPECT_TRUE(at::equal(gone->Finish().codes, fresh->Finish().codes));
}

TEST(OscillationTest, AFrozenCodeIsHeld) {
  const auto layer = Watched("signround", "momentum: 1\nfreeze: 0.5\nstart: 0\n");
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
  // And gets no gradient, but for what it says of its scale.
  layer->SoftWeight().square().sum().backward();
  EXPECT_LE((offset.grad() != 0).to(at::kDouble).mean().item<double>(), 1 - frozen);
  EXPECT_GT(layer->Parameters()[1].tensors[0].grad().abs().max().item<double>(), 0);
}

TEST(OscillationTest, EveryStraightThroughSchemeRunsWithWhatItFinishes) {
  for (const std::string& scheme : kStraightThrough) {
    for (const std::int64_t bits : {2, 4}) {
      for (const std::int64_t group : {24, -1}) {
        SCOPED_TRACE(scheme + " " + std::to_string(bits) + " " + std::to_string(group));
        const QuantSpec spec{bits, group,
                             scheme == "signround_v2" ? GridKind::kSymFull : GridKind::kAsym,
                             ScaleType::kFloat32};
        const std::string options = "momentum: 0.7\nfreeze: 0.3\nstart: 0\n";
        const auto layer = Watched(scheme, options, spec);
        testing::RandomSteps(layer.get(), 5, 12);
        EXPECT_GT(layer->Diagnose().at("frozen")[0], 0);
        EXPECT_TRUE(testing::SameBits(layer->SoftWeight(), layer->Finish().Dequantize()));
        EXPECT_LT(layer->Finish().codes.max().item<std::int64_t>(), 1 << bits);
        // Parameters and state are all that changes.
        const auto copy = Watched(scheme, options, spec);
        testing::CopyState(*layer, copy.get());
        EXPECT_TRUE(testing::SameWeights(copy->Finish(), layer->Finish()));
      }
    }
  }
}

TEST(OscillationTest, WithoutThresholdOrDampeningNothingChanges) {
  for (const std::string& scheme : kStraightThrough) {
    SCOPED_TRACE(scheme);
    const auto watched = Watched(scheme, "start: 0\n");
    const auto plain =
        testing::BeginLayer("type: " + scheme, MakeLayer(RandomWeight(8, 64, 3), kThree));
    testing::RandomSteps(watched.get(), 5, 3);
    testing::RandomSteps(plain.get(), 5, 3);
    EXPECT_TRUE(testing::SameWeights(watched->Finish(), plain->Finish()));
    EXPECT_TRUE(testing::SameBits(watched->SoftWeight(), plain->SoftWeight()));
    EXPECT_FALSE(watched->Penalty(0.5).defined());
  }
}

/// What a layer says that it rounds is what it rounds.
TEST(OscillationTest, LatentsRoundToTheCodes) {
  for (const std::string& scheme : kStraightThrough) {
    SCOPED_TRACE(scheme);
    const auto layer =
        testing::BeginLayer("type: " + scheme, MakeLayer(RandomWeight(8, 64, 3), kThree));
    testing::RandomSteps(layer.get(), 5, 2);
    const Latent latent = layer->Latents();
    const at::Tensor codes = latent.position.detach().round().clamp(0, latent.code_max);
    const at::Tensor finished =
        layer->Finish().Layout().Split(layer->Finish().codes.to(at::kFloat));
    EXPECT_LE((codes != finished).to(at::kDouble).mean().item<double>(), 0.002);  // ties
  }
}

TEST(OscillationTest, DampeningPullsTheLatentWeightToItsCode) {
  const auto layer = Watched("signround", "dampen: 0.5\nstart: 0\ndampen_reduction: sum\n");
  EXPECT_FALSE(layer->Penalty(0).defined());
  const at::Tensor offset = layer->Parameters()[0].tensors[0];
  const at::Tensor penalty = layer->Penalty(1);
  penalty.backward();
  const LayerContext context = MakeLayer(RandomWeight(8, 64, 3), kThree);
  const AffineGrid grid = MakeGrid(context.range, context.spec);
  const at::Tensor scale = grid.scale.unsqueeze(1);
  const at::Tensor position = context.Layout().Split(context.weight) / scale;
  const at::Tensor zero = grid.zero.unsqueeze(1);
  const at::Tensor latent = (position + zero).clamp(0, 7);
  const at::Tensor gap = latent - ((position.round() + zero).clamp(0, 7));
  EXPECT_NEAR(penalty.item<double>(), 0.5 * (scale * gap).square().sum().item<double>(), 1e-5);
  EXPECT_TRUE(TensorNear(offset.grad(), scale.square() * gap, 1e-6, 1e-5));
}

TEST(OscillationTest, SchemesThatAreSoftOrDoNotTellAreRefused) {
  const auto problem = [](const std::string& scheme) {
    std::vector<Diagnostic> diagnostics;
    Stages().Parse(ParseYaml("type: round\nscheme: " + scheme + "\noscillation: {}\n", "a.yaml"),
                   "pipeline.0", &diagnostics);
    return diagnostics.empty() ? "" : diagnostics[0].message;
  };
  EXPECT_EQ(problem("adaround"),
            "pipeline.0: oscillation is for straight-through schemes that are tuned, which scheme "
            "'adaround' is not");
  EXPECT_EQ(problem("rtn"),
            "pipeline.0: oscillation is for straight-through schemes that are tuned, which scheme "
            "'rtn' is not");
  EXPECT_EQ(problem("llm_qat"),
            "pipeline.0: oscillation can't hold the codes of scheme 'llm_qat', which does not tell "
            "what it rounds (known: aquant, flexround, lrq, omniquant, signround, signround_v2)");
  EXPECT_EQ(problem("flexround"), "");
  EXPECT_EQ(testing::ErrorOf([] { Watched("rtn", "start: 0\n"); }),
            "oscillation: the scheme does not say what it rounds (LayerRounding::Latents), so that "
            "its codes can't be held");
}

}  // namespace
}  // namespace roundlab
