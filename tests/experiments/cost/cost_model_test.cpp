#include "experiments/cost/cost_model.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/model/families/llama.h"
#include "experiments/cost/estimate.h"
#include "experiments/cost/machine_probe.h"
#include "tests/core/formats/format_files.h"
#include "tests/experiments/load_run.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::LoadRun;
using testing::TempFolder;

constexpr const char* kPaper = R"(
model: llama-2-70b
quant: {bits: 4}
calibration: {data: {path: x}, samples: 512, seqlen: 2048}
pipeline: [{type: round, scheme: {type: signround}, steps: 200, batch: 8}]
)";

ModelDescription TwoSmallBlocks() {
  ModelDescription m;
  UseLlamaPlans(&m);
  m.layers = 2;
  m.hidden = m.intermediate = 8;
  m.heads = m.kv_heads = 2;
  m.head_dim = 4;
  m.vocab = 16;
  return m;
}

TEST(CostModelTest, CountsProductsByHand) {
  const ModelDescription m = TwoSmallBlocks();
  const RunConfig run = LoadRun(
      "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}, samples: 4, seqlen: 10}\n"
      "pipeline: [{type: round, scheme: {type: signround}, steps: 5, batch: 2}]\n");
  const RunCost cost = CostOf(run, m, 0);
  // A block has 7 x 8 x 8 weights; attention over half of 10 tokens by 4 x 8 FLOP, at half rate.
  const double a_token = 2 * 448 + 2 * 4 * 8 * 5;
  // 2 blocks x (5 steps x 3 passes over 20 tokens + 3 passes over 40 + 3 over the 4 samples that
  // layers are described with).
  EXPECT_DOUBLE_EQ(cost.tune.flops, 2 * (5 * 3 * 20 + 3 * 40 + 3 * 40) * a_token);
  EXPECT_EQ(cost.evaluate.flops, 0);
  const RunCost measured = CostOf(run, m, 100);
  EXPECT_DOUBLE_EQ(measured.evaluate.flops,
                   100 * (2 * (2 * 448 + 2 * 4 * 8 * 1024.0) + 2 * 8 * 16));
  EXPECT_DOUBLE_EQ(Seconds(Work{10, 20, 30}, {.flops = 5,
                                              .attainable = 0.5,
                                              .bandwidth = 8,
                                              .seconds_per_op = 2,
                                              .bytes_per_value = 4}),
                   10 / 2.5 + 20 * 4 / 8.0 + 60);
}

TEST(CostModelTest, CountsSolversAndStatisticsByHand) {
  const auto solve = [](const std::string& pipeline) {
    return CostOf(LoadRun("model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}, samples: 4, "
                          "seqlen: 10}\npipeline: [" +
                          pipeline + "]\n"),
                  TwoSmallBlocks(), 0)
        .solve;
  };
  EXPECT_EQ(solve("{type: round, scheme: rtn}").flops, 0);
  // Four tensors feed a block's seven layers of 8 x 8.
  const double moments = 2 * 4 * 40 * 64;
  EXPECT_DOUBLE_EQ(solve("{type: round, scheme: gptq}").flops, moments + 2 * 7 * (4 + 3) * 512);
  EXPECT_DOUBLE_EQ(solve("{type: round, scheme: {type: gptq, asymmetric: true}}").flops,
                   3 * moments + 2 * 2 * 7 * (4 + 3) * 512);
  EXPECT_GT(solve("{type: awq_scale}, {type: round, scheme: rtn}").flops, 20 * 40 * 2 * 7 * 64);
  EXPECT_GT(solve("{type: round, scheme: squeezellm}").flops, 3 * 40 * 2 * 2 * 7 * 64);
}

TEST(CostModelTest, ThePapers70BModelOnOneA100IsWithinAQuarterOfTheirHours) {
  Estimator estimator(LoadHardware("a100-80g"));
  const auto estimate = estimator.Of(LoadRun(kPaper));
  ASSERT_TRUE(estimate);
  EXPECT_NEAR(estimate->seconds.value_or(0) / 3600, 2.5, 0.25 * 2.5);
}

TEST(CostModelTest, OnAGpuTheMemoryIsThatOfTheGpu) {
  const RunConfig paper = LoadRun(kPaper);
  Estimator on_a100(LoadHardware("a100-80g"));
  RunConfig limited = paper;
  limited.compute.memory_limit = 60;
  Estimator here(std::nullopt);
  RunConfig cuda = limited;
  cuda.compute.device = at::Device(at::kCUDA);
  cuda.model.dtype = at::kBFloat16;
  // Both chains of 512 x 2048 tokens take 32 GiB, and fit beside 22 GiB; a spare one takes 16.
  EXPECT_NEAR(*on_a100.PeakGib(paper), 70.4, 0.1);
  EXPECT_NEAR(*on_a100.PeakGib(limited), 54.4, 0.1);
  EXPECT_EQ(*here.PeakGib(cuda), *on_a100.PeakGib(limited));
  // In the machine's memory, but for two batches of both.
  cuda.compute.memory_limit = 50;
  EXPECT_NEAR(*here.PeakGib(cuda), 23.4, 0.1);
}

TEST(CostModelTest, ModelsThatNobodyKnowsHaveNoEstimate) {
  Estimator estimator(LoadHardware("a100-80g"));
  EXPECT_FALSE(estimator.Of(LoadRun("model: nowhere/\n")));
}

TEST(CostModelTest, UnknownHardwareNamesTheNearest) {
  EXPECT_EQ(ErrorOf([] { LoadHardware("a100-80gb"); }),
            "unknown hardware 'a100-80gb'; did you mean 'a100-80g'? (known: a100-80g)");
  const TempFolder folder;
  const std::string file = folder.Write("h.yaml", "flops: 1e12\n");
  EXPECT_EQ(ErrorOf([&] { LoadHardware(file); }), file + ":1:1: missing required key 'bandwidth'");
}

TEST(CostModelTest, TransformsThatAreTrainedCountWithTheirSteps) {
  ModelDescription m;
  UseLlamaPlans(&m);
  m.layers = 2;
  m.hidden = 64;
  m.intermediate = 128;
  m.heads = m.kv_heads = 4;
  m.head_dim = 16;
  m.windows = {0, 0};
  const auto run = [](const std::string& first, const std::string& scheme) {
    return LoadRun(
        "model: m/\nthreads: 1\nquant: {bits: 4, group_size: 32}\n"
        "calibration: {data: {path: x}, samples: 4, seqlen: 32}\npipeline: [" +
        first + "{type: round, scheme: " + scheme + ", steps: 100, batch: 2}]\n");
  };
  const std::string teq = "{type: teq, steps: 100, batch: 2}, ";
  const auto flops = [&](const RunConfig& config) { return CostOf(config, m, 0).tune.flops; };
  const double tuned = flops(run("", "signround"));
  EXPECT_EQ(flops(run("", "rtn")), 0);
  EXPECT_DOUBLE_EQ(flops(run(teq, "rtn")), tuned);
  EXPECT_DOUBLE_EQ(flops(run(teq, "signround")), 2 * tuned);
  EXPECT_EQ(ProbeMachine(run(teq, "rtn"), m).tune_factor, 1);
}

TEST(CostModelTest, AStartCountsWithItsStepsAndABudgetWithItsScores) {
  const ModelDescription m = TwoSmallBlocks();
  const auto flops = [&](const std::string& quant, const std::string& round) {
    return CostOf(LoadRun("model: m/\nquant: {" + quant +
                          "}\ncalibration: {data: {path: x}, samples: 4, seqlen: 10}\npipeline: "
                          "[{type: round, " +
                          round + "}]\n"),
                  m, 0)
        .tune.flops;
  };
  const std::string tuned = "scheme: signround, steps: 5, batch: 2";
  const double once = flops("bits: 4", tuned);
  EXPECT_DOUBLE_EQ(flops("bits: 4", tuned + ", start: {" + tuned + "}"), 2 * once);
  EXPECT_DOUBLE_EQ(flops("bits: 4", "scheme: gptq, start: {" + tuned + "}"), once);
  // Two sequences of 10 tokens, forward and backward through 2 blocks and the head.
  const double pass = 20 * 3 * (2 * (2 * 448 + 2 * 4 * 8 * 5.0) + 2 * 8 * 16);
  const std::string budget = "budget: {bits: 3, choices: [2, 4, 8], sequences: 2, score: ";
  EXPECT_DOUBLE_EQ(flops(budget + "delta_loss}", tuned) - once, 3 * pass);
  EXPECT_DOUBLE_EQ(flops(budget + "fisher}", tuned) - once, pass);
}

TEST(CostModelTest, ATurnThatIsLearnedCountsWithItsSteps) {
  const ModelDescription m = TwoSmallBlocks();
  const RunConfig run = LoadRun(
      "model: {path: m/, rotate: {learn: {steps: 7, batch: 2}}}\nquant: {bits: 4}\n"
      "calibration: {data: {path: x}, samples: 4, seqlen: 10}\npipeline: [{type: round, scheme: "
      "rtn}]\n");
  // 20 tokens a step, forward and backward through 2 blocks and the head; 896 weights are turned by
  // an 8 x 8 matrix, which has its gradient; twice all 40 tokens forward.
  const double a_token = 2 * (2 * 448 + 2 * 4 * 8 * 5.0) + 2 * 8 * 16;
  EXPECT_DOUBLE_EQ(CostOf(run, m, 0).tune.flops,
                   7 * (20 * 3 * a_token + 4 * 896 * 8) + 2 * 40 * a_token);
}

TEST(CostModelTest, TheProbeFindsThisMachine) {
  ModelDescription m;
  UseLlamaPlans(&m);
  m.layers = 2;
  m.hidden = 64;
  m.intermediate = 128;
  m.heads = 4;
  m.kv_heads = 2;
  m.head_dim = 16;
  m.windows = {0, 0};
  const RunConfig run = LoadRun(
      "model: m/\nthreads: 1\nquant: {bits: 4, group_size: 32}\n"
      "calibration: {data: {path: x}, samples: 4, seqlen: 32}\n"
      "pipeline: [{type: round, scheme: {type: signround}, steps: 5, batch: 2}]\n");
  const Hardware found = ProbeMachine(run, m);
  EXPECT_GT(found.flops, 1e8);
  EXPECT_GT(found.bandwidth, 1e8);
  EXPECT_GT(found.seconds_per_op, 1e-8);
  EXPECT_LT(found.seconds_per_op, 1e-2);
  // A step this small is all starts of operations: what is measured is far from what is computed.
  EXPECT_GT(found.tune_factor, 0.05);
  EXPECT_LT(found.tune_factor, 200);
}

}  // namespace
}  // namespace roundlab
