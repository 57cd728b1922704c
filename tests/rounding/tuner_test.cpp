#include "rounding/tuner/tuner.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "tests/rounding/tuning.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;
using testing::FreeWeight;
using testing::kThreeBits;
using testing::Layers;
using testing::LinearUnit;
using testing::OneLayer;
using testing::RandomWeight;
using testing::Recorder;
using testing::TensorNear;
using testing::TuneSteps;

/// Inputs [rows, seq, in] with features of unequal size, so that rounding to nearest is not best.
at::Tensor Inputs(std::int64_t rows, std::int64_t in) {
  at::Generator g = at::detail::createCPUGenerator(5);
  const auto options = at::TensorOptions(at::kFloat);
  const at::Tensor mix = at::randn({in, in}, g, options) * 0.3;
  return at::matmul(at::randn({rows, 4, in}, g, options), mix);
}

UnitResult Tune(const LinearUnit& unit, const Layers& layers, const TuneOptions& options,
                const TunerHooks& hooks = {}, std::uint64_t seed = 3) {
  return TuneUnit(unit.unit, unit.data, layers, options, seed, hooks);
}

TEST(TunerTest, SignRoundLowersTheLoss) {
  LinearUnit unit(RandomWeight(16, 64, 1), Inputs(16, 64));
  const Layers layers = OneLayer("type: signround", unit.slot().weight, kThreeBits);
  const at::Tensor nearest = layers[0]->Finish().Dequantize();
  const UnitResult result = Tune(unit, layers, TuneSteps(50));
  EXPECT_LT(result.loss_after, result.loss_before);
  ASSERT_EQ(result.weights.size(), 1U);
  const at::Tensor chosen = result.weights[0].Dequantize();
  EXPECT_TRUE(TensorNear(unit.slot().effective, chosen, 0, 0));
  const auto loss = [&](const at::Tensor& weight) {
    return (at::linear(unit.data.inputs.values(), weight) - unit.data.targets.values())
        .to(at::kDouble)
        .square()
        .mean()
        .item<double>();
  };
  EXPECT_NEAR(result.loss_before, loss(nearest), 1e-5 * result.loss_before);
  EXPECT_NEAR(result.loss_after, loss(chosen), 1e-5 * result.loss_after);
  EXPECT_THAT(result.events, ElementsAre());
}

TEST(TunerTest, GradientsOfFewerBitsLowerTheLossAsWell) {
  const auto tuned = [](GradientPrecision precision) {
    LinearUnit unit(RandomWeight(64, 64, 1), Inputs(64, 64));
    TuneOptions options = TuneSteps(100);
    options.batch = 32;  // with few rows a step, where one ends is chance
    options.gradient_precision = precision;
    const UnitResult result =
        Tune(unit, OneLayer("type: signround", unit.slot().weight, kThreeBits), options);
    EXPECT_EQ(unit.slot().tuning.gradient, GradientPrecision::kProducts);  // only while it is tuned
    return result;
  };
  const UnitResult whole = tuned(GradientPrecision::kProducts);
  const double gain = whole.loss_before - whole.loss_after;
  EXPECT_GT(gain, 0);
  for (const GradientPrecision few :
       {GradientPrecision::kBFloat16, GradientPrecision::kFloat8, GradientPrecision::kInt8}) {
    const UnitResult result = tuned(few);
    EXPECT_FALSE(at::equal(result.weights[0].codes, whole.weights[0].codes));
    EXPECT_NEAR(result.loss_before - result.loss_after, gain, 0.1 * gain);
  }
}

TEST(TunerTest, WithoutStepsOrParametersTheStartIsKept) {
  LinearUnit unit(RandomWeight(8, 64, 1), Inputs(6, 64));
  for (const char* recipe : {"type: signround", "type: rtn"}) {
    const Layers layers = OneLayer(recipe, unit.slot().weight, kThreeBits);
    const UnitResult result = Tune(unit, layers, TuneSteps(recipe[6] == 's' ? 0 : 10));
    EXPECT_EQ(result.loss_after, result.loss_before);
    EXPECT_EQ(result.chosen_step, -1);
    EXPECT_TRUE(unit.batches.empty());
  }
}

TEST(TunerTest, OneEntryAStepInEachSeries) {
  LinearUnit unit(RandomWeight(8, 64, 1), Inputs(8, 64));
  Recorder recorder;
  TunerHooks hooks;
  hooks.sink = &recorder;
  int calls = 0;
  hooks.on_step = [&] { ++calls; };
  TuneOptions options = TuneSteps(10);
  Tune(unit, OneLayer("type: adaround\nwarmup: 0.5", unit.slot().weight, kThreeBits), options,
       hooks);
  EXPECT_EQ(calls, 10);
  std::vector<std::int64_t> steps(10);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<std::int64_t>(i);
  EXPECT_EQ(recorder.steps["tune/unit/loss"], steps);
  EXPECT_EQ(recorder.steps["tune/unit/lr"], steps);
  EXPECT_THAT(recorder.steps["tune/unit/penalty"], ElementsAre(5, 6, 7, 8, 9));
  EXPECT_EQ(recorder.steps.size(), 3U);
}

/// A SignRound run of `steps` steps and the codes after each of them.
struct Trace {
  UnitResult result;
  Recorder recorder;
  std::vector<at::Tensor> codes;  ///< codes[k]: before step k; the last after all steps
};
Trace TraceOf(const TuneOptions& options) {
  LinearUnit unit(RandomWeight(8, 64, 1), Inputs(12, 64));
  const Layers layers = OneLayer("type: signround", unit.slot().weight, kThreeBits);
  Trace trace;
  trace.codes = {layers[0]->Finish().codes};
  TunerHooks hooks;
  hooks.sink = &trace.recorder;
  hooks.on_step = [&] { trace.codes.push_back(layers[0]->Finish().codes); };
  trace.result = Tune(unit, layers, options, hooks);
  return trace;
}

TEST(TunerTest, BestMinibatchKeepsTheStateBeforeTheStepOfLeastLoss) {
  const Trace trace = TraceOf(TuneSteps(40));
  const std::vector<double>& losses = trace.recorder.values.at("tune/unit/loss");
  const auto least = std::min_element(losses.begin(), losses.end()) - losses.begin();
  EXPECT_GT(least, 0);
  EXPECT_EQ(trace.result.chosen_step, least);
  const auto place = static_cast<std::size_t>(least);
  EXPECT_TRUE(at::equal(trace.result.weights[0].codes, trace.codes[place]));
  EXPECT_FALSE(at::equal(trace.codes[place], trace.codes[place + 1]));
}

TEST(TunerTest, LastKeepsTheLastState) {
  TuneOptions options = TuneSteps(40);
  options.select = Select::kLast;
  const Trace trace = TraceOf(options);
  EXPECT_EQ(trace.result.chosen_step, -1);
  EXPECT_TRUE(at::equal(trace.result.weights[0].codes, trace.codes.back()));
  EXPECT_FALSE(at::equal(trace.result.weights[0].codes, trace.codes.front()));
}

TEST(TunerTest, BestFullIsNeverWorseThanTheStart) {
  TuneOptions options = TuneSteps(25);
  options.select = Select::kBestFull;
  options.check_every = 10;
  for (const double lr : {1.0, 100.0}) {  // the second only makes noise
    options.lr_times_steps = lr;
    const Trace trace = TraceOf(options);
    EXPECT_LE(trace.result.loss_after, trace.result.loss_before);
    const auto& full = trace.recorder.values.at("tune/unit/full_loss");
    EXPECT_THAT(trace.recorder.steps.at("tune/unit/full_loss"), ElementsAre(0, 10, 20, 25));
    EXPECT_EQ(full.front(), trace.result.loss_before);
    EXPECT_EQ(*std::min_element(full.begin(), full.end()), trace.result.loss_after);
    EXPECT_EQ(trace.result.chosen_step == 0, lr > 1);
  }
}

/// Weights on quarters, grid of step 1, inputs of small integers: all sums are exact in float32.
struct ExactRun {
  UnitResult result;
  at::Tensor offset;
  std::vector<double> losses;
};
ExactRun RunExactly(std::int64_t accumulate, std::int64_t batch) {
  at::Generator g = at::detail::createCPUGenerator(1);
  at::Tensor weight = at::randint(-26, 26, {8, 32}, g, at::TensorOptions(at::kFloat)) / 4;
  weight.select(1, 0).fill_(-8);
  weight.select(1, 1).fill_(7);
  LinearUnit unit(weight, at::randint(-3, 4, {16, 4, 32}, g, at::TensorOptions(at::kFloat)));
  const Layers layers = OneLayer("type: signround\ntune_range: false", weight,
                                 {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  TuneOptions options = TuneSteps(16);
  options.batch = batch;
  options.accumulate = accumulate;
  options.loss_scale = 1024;
  Recorder recorder;
  TunerHooks hooks;
  hooks.sink = &recorder;
  ExactRun run;
  run.result = Tune(unit, layers, options, hooks);
  run.offset = layers[0]->Parameters()[0].tensors[0].detach();
  run.losses = recorder.values.at("tune/unit/loss");
  return run;
}

TEST(TunerTest, AnySplitOfABatchGivesTheSameCodes) {
  const ExactRun whole = RunExactly(1, 8);
  for (const std::int64_t accumulate : {2, 4, 8}) {
    const ExactRun split = RunExactly(accumulate, 8);
    EXPECT_TRUE(TensorNear(split.offset, whole.offset, 0, 0)) << accumulate;
    EXPECT_TRUE(at::equal(split.result.weights[0].codes, whole.result.weights[0].codes));
    EXPECT_EQ(split.losses, whole.losses);
  }
  EXPECT_GT(whole.offset.abs().max().item<double>(), 0);
}

TEST(TunerTest, UnevenPartsCountByTheirRows) {
  // 7 rows in 3 parts: 3, 3 and 1. A mean of means would weigh the last like the others.
  const ExactRun whole = RunExactly(1, 7);
  const ExactRun split = RunExactly(3, 7);
  EXPECT_NEAR(split.losses[0], whole.losses[0], 1e-6 * whole.losses[0]);
}

/// One weight p = 0 on rows with input 1 and these targets; returns p after one step of 0.125.
double PAfterOneStep(const std::string& optimizer, const std::vector<float>& targets,
                     std::int64_t accumulate, double penalty_slope = 0) {
  const auto rows = static_cast<std::int64_t>(targets.size());
  LinearUnit unit(at::zeros({1, 1}), at::ones({rows, 1, 1}));
  unit.data.targets = at::tensor(targets).view({rows, 1, 1});
  Layers layers;
  layers.push_back(std::make_unique<FreeWeight>(penalty_slope));
  TuneOptions options;
  options.never_worse = false;
  options.optimizer = Optimizers().FromText(optimizer);
  options.schedule = Schedules().FromText("type: constant");
  options.steps = 1;
  options.batch = rows;
  options.accumulate = accumulate;
  options.select = Select::kLast;
  options.loss_scale = 1;
  return Tune(unit, layers, options).weights[0].scale.item<double>();
}

TEST(TunerTest, MajorityVoteCountsPartsNotTheirSize) {
  // d loss / d p = -2 t a row: -2, -2 and +20; the sum says down, two of three say up.
  const std::vector<float> targets = {1, 1, -10};
  EXPECT_EQ(PAfterOneStep("type: sign_sgd\nlr: 0.125", targets, 3), -0.125);
  EXPECT_EQ(PAfterOneStep("type: sign_sgd\nlr: 0.125\nvote: majority", targets, 3), 0.125);
  EXPECT_EQ(PAfterOneStep("type: sign_sgd\nlr: 0.125\nvote: majority", targets, 1), -0.125);
  const std::vector<float> agreed = {1, 2, 3};
  EXPECT_EQ(PAfterOneStep("type: sign_sgd\nlr: 0.125\nvote: majority", agreed, 3),
            PAfterOneStep("type: sign_sgd\nlr: 0.125", agreed, 3));
}

TEST(TunerTest, GradientsAndPenaltiesAddUpOverParts) {
  // mse: d/dp = 2 mean(p - t) = -2 mean(t) = -5; the penalty's slope 3 counts once.
  const std::vector<float> targets = {1, 2, 3, 4};
  for (const std::int64_t accumulate : {1, 2, 4}) {
    EXPECT_EQ(PAfterOneStep("type: sgd\nlr: 0.125", targets, accumulate), 0.125 * 5);
    EXPECT_EQ(PAfterOneStep("type: sgd\nlr: 0.125", targets, accumulate, 3), 0.125 * (5 - 3));
  }
}

TEST(TunerTest, LearningRateOverTheStepsAndItsFactors) {
  Recorder recorder;
  TunerHooks hooks;
  hooks.sink = &recorder;
  LinearUnit unit(RandomWeight(8, 64, 1), Inputs(8, 64));
  TuneOptions options = TuneSteps(4);
  options.lr_times_steps = 2;
  Tune(unit, OneLayer("type: signround", unit.slot().weight, kThreeBits), options, hooks);
  EXPECT_THAT(recorder.values["tune/unit/lr"], ElementsAre(0.5, 0.375, 0.25, 0.125));
  // Twice that in long tunings of few bits.
  for (const auto& [from, bits, first] :
       {std::tuple(4, 3, 1.0), std::tuple(5, 3, 0.5), std::tuple(4, 4, 0.5)}) {
    recorder = {};
    options.lr_doubled_from = from;
    unit.unit.bits = bits;
    Tune(unit, OneLayer("type: signround", unit.slot().weight, kThreeBits), options, hooks);
    EXPECT_EQ(recorder.values["tune/unit/lr"].front(), first) << from << " " << bits;
  }

  options = TuneSteps(1);
  options.select = Select::kLast;
  options.lr_times_steps = 0;
  options.optimizer = Optimizers().FromText("type: sign_sgd\nlr: 0.0625");
  const Layers layers =
      OneLayer("type: signround\nrange_lr_factor: 2", unit.slot().weight, kThreeBits);
  Tune(unit, layers, options);
  const auto groups = layers[0]->Parameters();
  EXPECT_EQ(groups[0].tensors[0].abs().max().item<double>(), 0.0625);
  EXPECT_EQ(groups[1].tensors[0].min().item<double>(), 1 - 2 * 0.0625);
  EXPECT_EQ(groups[1].tensors[1].min().item<double>(), 1 - 2 * 0.0625);
}

/// Asks for a new optimizer once half of the steps are taken.
class RestartingWeight : public FreeWeight {
 public:
  explicit RestartingWeight(std::vector<double>* seen) : FreeWeight(1), seen_(seen) {}
  bool Project(double progress) override {
    seen_->push_back(progress);
    return progress == 0.5;
  }

 private:
  std::vector<double>* seen_;
};

TEST(TunerTest, ALayerThatAsksForItGetsANewOptimizer) {
  LinearUnit unit(at::zeros({1, 1}), at::zeros({1, 1, 1}));  // all gradient is the penalty's 1
  std::vector<double> seen;
  Layers layers;
  layers.push_back(std::make_unique<RestartingWeight>(&seen));
  TuneOptions options;
  options.never_worse = false;
  options.optimizer = Optimizers().FromText("type: sgd\nlr: 0.125\nmomentum: 0.5");
  options.schedule = Schedules().FromText("type: constant");
  options.steps = 4;
  options.batch = 1;
  options.select = Select::kLast;
  options.loss_scale = 1;
  const UnitResult result = Tune(unit, layers, options);
  EXPECT_THAT(seen, ElementsAre(0, 0.25, 0.5, 0.75, 1));
  // Steps of 1, 1.5 and, with the momentum gone, 1 and 1.5 again.
  EXPECT_EQ(result.weights[0].scale.item<double>(), -0.125 * 5);
}

TEST(TunerTest, OutputsAreThoseOfTheCodesChosen) {
  LinearUnit unit(RandomWeight(64, 64, 1), Inputs(6, 64));
  const at::Tensor inputs = unit.data.inputs.values().clone();
  TunerHooks hooks;
  hooks.outputs = unit.data.inputs;  // the chain is overwritten in place
  const UnitResult result =
      Tune(unit, OneLayer("type: signround", unit.slot().weight, kThreeBits), TuneSteps(5), hooks);
  const at::Tensor expected = at::linear(inputs, result.weights[0].Dequantize());
  EXPECT_TRUE(TensorNear(unit.data.inputs.values(), expected, 1e-5, 1e-5));
}

}  // namespace
}  // namespace roundlab
