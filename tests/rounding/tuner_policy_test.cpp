#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "tests/core/formats/format_files.h"
#include "tests/rounding/tuning.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;
using testing::kThreeBits;
using testing::Layers;
using testing::LinearUnit;
using testing::OneLayer;
using testing::RandomWeight;
using testing::Recorder;
using testing::TuneSteps;

/// A unit with `rows` rows; the first input feature of a row is its number.
at::Tensor NumberedRows(std::int64_t rows) {
  at::Generator g = at::detail::createCPUGenerator(2);
  at::Tensor inputs = at::randn({rows, 3, 32}, g, at::TensorOptions(at::kFloat));
  inputs.select(2, 0).copy_(at::arange(rows, at::kFloat).unsqueeze(1));
  return inputs;
}

std::vector<std::int64_t> RowsOf(const at::Tensor& batch) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < batch.size(0); ++i) {
    rows.push_back(std::lround(batch[i][0][0].item<double>()));
  }
  return rows;
}

struct TunedRun {
  UnitResult result;
  Recorder recorder;
  std::vector<std::vector<std::int64_t>> batches;
  QuantizedWeight start;
};

struct Setting {
  std::int64_t rows = 12;
  std::uint64_t seed = 1;
  std::set<int> broken = {};
  double broken_value = std::numeric_limits<double>::quiet_NaN();
};

TunedRun RunWith(const TuneOptions& options, const Setting& setting) {
  LinearUnit unit(RandomWeight(8, 32, 1), NumberedRows(setting.rows));
  unit.broken_calls = setting.broken;
  unit.broken_value = setting.broken_value;
  const Layers layers = OneLayer("type: signround", unit.slot().weight, kThreeBits);
  TunedRun run;
  run.start = layers[0]->Finish();
  TunerHooks hooks;
  hooks.sink = &run.recorder;
  run.result = TuneUnit(unit.unit, unit.data, layers, options, setting.seed, hooks);
  for (const at::Tensor& batch : unit.batches) run.batches.push_back(RowsOf(batch));
  return run;
}

TEST(SamplerTest, CyclicVisitsEveryRowOnceAnEpoch) {
  TuneOptions options = TuneSteps(9);
  options.sampler = SamplerKind::kCyclic;
  const TunedRun run = RunWith(options, {});
  ASSERT_EQ(run.batches.size(), 9U);
  std::vector<std::vector<std::int64_t>> epochs(3);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(run.batches[i].size(), 4U);
    epochs[i / 3].insert(epochs[i / 3].end(), run.batches[i].begin(), run.batches[i].end());
  }
  EXPECT_NE(epochs[0], epochs[1]);  // another order each time
  std::vector<std::int64_t> all(12);
  std::iota(all.begin(), all.end(), 0);
  for (auto& epoch : epochs) {
    std::sort(epoch.begin(), epoch.end());
    EXPECT_EQ(epoch, all);
  }
}

TEST(NanPolicyTest, AScaledLossBeyondFloat32IsNotFinite) {
  TuneOptions options = TuneSteps(3);
  options.loss_scale = 1e39;  // sign_sgd would take no step, since its gradients are NaN
  const std::string message = testing::ErrorOf([&] { RunWith(options, {}); });
  EXPECT_NE(message.find(" times loss_scale is beyond float32 at step 0"), std::string::npos)
      << message;
}

TEST(SamplerTest, InOrderTakesRowsAsTheyLie) {
  TuneOptions options = TuneSteps(5);
  options.sampler = SamplerKind::kInOrder;
  const auto batches = RunWith(options, {}).batches;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const auto first = static_cast<std::int64_t>(i % 3 * 4);
    EXPECT_THAT(batches[i], ElementsAre(first, first + 1, first + 2, first + 3));
  }
}

TEST(SamplerTest, PermutationDrawsDistinctRowsAfreshEachStep) {
  const TunedRun run = RunWith(TuneSteps(60), {});
  std::vector<int> visits(12);
  for (const auto& batch : run.batches) {
    EXPECT_EQ(std::set<std::int64_t>(batch.begin(), batch.end()).size(), 4U);
    for (const std::int64_t row : batch) ++visits[static_cast<std::size_t>(row)];
  }
  // 60 x 4 / 12 = 20 each on average with standard deviation 3.7; an epoch would make all equal.
  EXPECT_GE(*std::min_element(visits.begin(), visits.end()), 6);
  EXPECT_NE(*std::min_element(visits.begin(), visits.end()),
            *std::max_element(visits.begin(), visits.end()));
}

TEST(SamplerTest, ABatchLargerThanTheDataIsAllOfIt) {
  for (const SamplerKind sampler :
       {SamplerKind::kPermutation, SamplerKind::kCyclic, SamplerKind::kInOrder}) {
    TuneOptions options = TuneSteps(3);
    options.batch = 50;
    options.sampler = sampler;
    Setting setting;
    setting.rows = 5;
    for (auto batch : RunWith(options, setting).batches) {
      std::sort(batch.begin(), batch.end());
      EXPECT_THAT(batch, ElementsAre(0, 1, 2, 3, 4));
    }
  }
}

TEST(SamplerTest, SameSeedSameDrawsAndCodes) {
  Setting other;
  other.seed = 2;
  const TunedRun a = RunWith(TuneSteps(10), {});
  const TunedRun b = RunWith(TuneSteps(10), {});
  const TunedRun c = RunWith(TuneSteps(10), other);
  EXPECT_EQ(a.batches, b.batches);
  EXPECT_TRUE(testing::SameWeights(a.result.weights[0], b.result.weights[0]));
  EXPECT_EQ(a.result.loss_after, b.result.loss_after);
  EXPECT_NE(a.batches, c.batches);
}

TEST(SamplerTest, PartsOfABatchAreItsRowsInOrder) {
  TuneOptions options = TuneSteps(3);
  const TunedRun whole = RunWith(options, {});
  options.accumulate = 2;
  const TunedRun split = RunWith(options, {});
  ASSERT_EQ(split.batches.size(), 6U);
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<std::int64_t> joined = split.batches[2 * i];
    joined.insert(joined.end(), split.batches[2 * i + 1].begin(), split.batches[2 * i + 1].end());
    EXPECT_EQ(joined, whole.batches[i]);
  }
}

/// what() of the Error of a run, "" without one.
std::string RunError(const TuneOptions& options, const Setting& setting) {
  return testing::ErrorOf([&] { RunWith(options, setting); });
}

Setting BrokenAt(std::set<int> calls, double value = std::numeric_limits<double>::quiet_NaN()) {
  Setting setting;
  setting.broken = std::move(calls);
  setting.broken_value = value;
  return setting;
}

TEST(NanPolicyTest, StopNamesUnitLossAndStep) {
  TuneOptions options = TuneSteps(10);
  EXPECT_EQ(RunError(options, {}), "");
  EXPECT_EQ(RunError(options, BrokenAt({3})), "unit: loss nan at step 3");
  EXPECT_THROW(RunWith(options, BrokenAt({3})), Diverged);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(RunError(options, BrokenAt({0}, -infinity)), "unit: loss inf at step 0");
  // A NaN with a sign bit, as inf - inf gives on x86, is the same NaN to a reader.
  EXPECT_EQ(RunError(options, BrokenAt({2}, -std::numeric_limits<double>::quiet_NaN())),
            "unit: loss nan at step 2");
}

TEST(NanPolicyTest, StopSeesABrokenPartOfABatch) {
  TuneOptions options = TuneSteps(10);
  options.accumulate = 2;
  EXPECT_EQ(RunError(options, BrokenAt({7})), "unit: loss nan at step 3");
}

TEST(NanPolicyTest, RtnLeavesTheUnitAsItStarted) {
  TuneOptions options = TuneSteps(10);
  options.on_nan = NanPolicy::kRtn;
  for (const Select select : {Select::kBestMinibatch, Select::kLast, Select::kBestFull}) {
    options.select = select;
    options.check_every = 2;
    const TunedRun run = RunWith(options, BrokenAt({5}));
    EXPECT_THAT(run.result.events,
                ElementsAre("unit: loss nan at step 5, unit left as it started"));
    EXPECT_TRUE(testing::SameWeights(run.result.weights[0], run.start));
    EXPECT_EQ(run.result.loss_after, run.result.loss_before);
    EXPECT_EQ(run.batches.size(), 6U);  // nothing is tried after it
  }
}

// The last step leaves parameters that have no codes: no loss of a later step shows it.
TEST(NanPolicyTest, ParametersThatAreNotFiniteAtTheEndAreSeen) {
  TuneOptions options = TuneSteps(3);
  options.select = Select::kLast;
  const auto tuned = [&](NanPolicy policy) {
    options.on_nan = policy;
    LinearUnit unit(RandomWeight(8, 32, 1), NumberedRows(12));
    const Layers layers = OneLayer("type: signround", unit.slot().weight, kThreeBits);
    std::int64_t steps = 0;
    TunerHooks hooks;
    hooks.on_step = [&] {
      const at::NoGradGuard no_grad;
      if (++steps == options.steps) layers[0]->Parameters()[0].tensors[0].fill_(NAN);
    };
    return TuneUnit(unit.unit, unit.data, layers, options, 1, hooks);
  };
  EXPECT_EQ(testing::ErrorOf([&] { tuned(NanPolicy::kStop); }), "unit: loss nan after tuning");
  for (const NanPolicy policy : {NanPolicy::kRtn, NanPolicy::kRollback}) {
    const UnitResult result = tuned(policy);
    EXPECT_EQ(result.loss_after, result.loss_before);
    EXPECT_THAT(result.events, ElementsAre("unit: loss nan after tuning, unit left as it was when "
                                           "last known as good"));
  }
}

TEST(NanPolicyTest, RollbackRecoversAtHalfTheLearningRate) {
  TuneOptions options = TuneSteps(20);
  options.on_nan = NanPolicy::kRollback;
  options.schedule = Schedules().FromText("type: constant");
  const TunedRun run = RunWith(options, BrokenAt({5, 12}));
  EXPECT_THAT(run.result.events,
              ElementsAre("unit: loss nan at step 5, rolled back, learning rate halved",
                          "unit: loss nan at step 12, rolled back, learning rate halved"));
  EXPECT_EQ(run.batches.size(), 20U);
  EXPECT_LT(run.result.loss_after, run.result.loss_before);
  const auto& steps = run.recorder.steps.at("tune/unit/lr");
  const auto& lrs = run.recorder.values.at("tune/unit/lr");
  ASSERT_EQ(lrs.size(), 18U);  // the two broken steps move nothing
  for (std::size_t i = 0; i < lrs.size(); ++i) {
    EXPECT_EQ(lrs[i], 0.05 / (steps[i] > 12 ? 4 : steps[i] > 5 ? 2 : 1)) << steps[i];
  }
}

TEST(NanPolicyTest, RollbackGoesBackToTheLastGoodState) {
  // Good states are kept every ten steps; a break at step 1 goes back to step 0, the start.
  TuneOptions options = TuneSteps(2);
  options.on_nan = NanPolicy::kRollback;
  options.select = Select::kLast;
  const TunedRun run = RunWith(options, BrokenAt({1}));
  EXPECT_TRUE(testing::SameWeights(run.result.weights[0], run.start));
}

TEST(NanPolicyTest, VotesOfABrokenStepDoNotCount) {
  // Rows that pull either way with one vote each: every whole step is a tie, and p stays at 0.
  LinearUnit unit(at::zeros({1, 1}), at::ones({2, 1, 1}));
  unit.data.targets = at::tensor({1.0F, -1.0F}).view({2, 1, 1});
  unit.broken_calls = {1};
  Layers layers;
  layers.push_back(std::make_unique<testing::FreeWeight>());
  TuneOptions options = TuneSteps(2);
  options.optimizer = Optimizers().FromText("type: sign_sgd\nvote: majority");
  options.batch = 2;
  options.accumulate = 2;
  options.on_nan = NanPolicy::kRollback;
  options.select = Select::kLast;
  const UnitResult result = TuneUnit(unit.unit, unit.data, layers, options, 1, {});
  EXPECT_EQ(result.events.size(), 1U);
  EXPECT_EQ(result.weights[0].scale.item<double>(), 0);
}

TEST(NanPolicyTest, RollbackGivesUpAfterTen) {
  TuneOptions options = TuneSteps(30);
  options.on_nan = NanPolicy::kRollback;
  std::set<int> all;
  for (int i = 0; i < 30; ++i) all.insert(i);
  EXPECT_EQ(RunError(options, BrokenAt(all)), "unit: loss nan at step 10");
}

/// A run that learns nothing but noise, with its outputs over its inputs or beside them.
struct WorseRun {
  UnitResult result;
  Recorder recorder;
  QuantizedWeight start;
  at::Tensor outputs;
  at::Tensor outputs_of_start;
};

WorseRun RunToWorse(bool never_worse, bool beside = false) {
  LinearUnit unit(RandomWeight(32, 32, 1), NumberedRows(12));
  const Layers layers = OneLayer("type: signround", unit.slot().weight, kThreeBits);
  TuneOptions options = TuneSteps(6);
  options.lr_times_steps = 100;
  options.select = Select::kLast;
  options.never_worse = never_worse;
  WorseRun run;
  run.start = layers[0]->Finish();
  run.outputs_of_start = at::linear(unit.data.inputs.values(), run.start.Dequantize());
  TunerHooks hooks;
  hooks.sink = &run.recorder;
  hooks.outputs = beside ? unit.data.inputs.Clone() : unit.data.inputs;
  run.result = TuneUnit(unit.unit, unit.data, layers, options, 1, hooks);
  run.outputs = hooks.outputs.values();
  return run;
}

TEST(NeverWorseTest, AUnitThatGotWorseGoesBackToItsStart) {
  const WorseRun free = RunToWorse(false);
  ASSERT_GT(free.result.loss_after, free.result.loss_before);
  EXPECT_FALSE(free.result.loss_refused.has_value());
  EXPECT_FALSE(testing::SameWeights(free.result.weights[0], free.start));

  const WorseRun kept = RunToWorse(true);
  EXPECT_EQ(kept.result.loss_refused, free.result.loss_after);
  EXPECT_EQ(kept.result.loss_after, kept.result.loss_before);
  EXPECT_EQ(kept.result.chosen_step, 0);
  EXPECT_TRUE(testing::SameWeights(kept.result.weights[0], kept.start));
  // The outputs took the inputs' place only after that was settled.
  EXPECT_TRUE(testing::TensorNear(kept.outputs, kept.outputs_of_start, 0, 1e-5));
  EXPECT_EQ(kept.recorder.values.at("tune/unit/loss"), free.recorder.values.at("tune/unit/loss"));
}

TEST(NeverWorseTest, OutputsBesideTheInputsAreThoseOfTheStateThatWasKept) {
  for (const bool never_worse : {false, true}) {
    const WorseRun beside = RunToWorse(never_worse, true);
    EXPECT_TRUE(at::equal(beside.outputs, RunToWorse(never_worse).outputs));
    EXPECT_EQ(beside.result.loss_refused.has_value(), never_worse);
  }
}

TEST(NeverWorseTest, AUnitThatGotBetterIsNotTouched) {
  TuneOptions options = TuneSteps(20);
  const TunedRun free = RunWith(options, {});
  options.never_worse = true;
  const TunedRun kept = RunWith(options, {});
  ASSERT_LT(free.result.loss_after, free.result.loss_before);
  EXPECT_FALSE(kept.result.loss_refused.has_value());
  EXPECT_EQ(kept.result.loss_after, free.result.loss_after);
  EXPECT_TRUE(testing::SameWeights(kept.result.weights[0], free.result.weights[0]));
}

TEST(NeverWorseTest, AfterARollbackTheStartIsStillTheBound) {
  TuneOptions options = TuneSteps(20);
  options.lr_times_steps = 100;
  options.select = Select::kLast;
  options.on_nan = NanPolicy::kRollback;
  options.never_worse = true;
  const TunedRun run = RunWith(options, BrokenAt({15}));
  EXPECT_EQ(run.result.events.size(), 1U);
  EXPECT_LE(run.result.loss_after, run.result.loss_before);
}

}  // namespace
}  // namespace roundlab
