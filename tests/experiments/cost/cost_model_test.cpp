#include "experiments/cost/cost_model.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "core/model/families/llama.h"
#include "experiments/cost/estimate.h"
#include "experiments/cost/machine_probe.h"
#include "experiments/plan/experiment.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

RunConfig LoadRun(const std::string& yaml) {
  const TempFolder folder;
  return LoadExperiment(folder.Write("e.yaml", yaml), {}).runs.at(0).config;
}

constexpr const char* kPaper = R"(
model: llama-2-70b
quant: {bits: 4}
calibration: {data: {path: x}, samples: 512, seqlen: 2048}
pipeline: [{type: round, scheme: {type: signround}, steps: 200, batch: 8}]
)";

TEST(CostModelTest, CountsProductsByHand) {
  ModelDescription m;
  UseLlamaPlans(&m);
  m.layers = 2;
  m.hidden = m.intermediate = 8;
  m.heads = m.kv_heads = 2;
  m.head_dim = 4;
  m.vocab = 16;
  const RunConfig run = LoadRun(
      "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}, samples: 4, seqlen: 10}\n"
      "pipeline: [{type: round, scheme: {type: signround}, steps: 5, batch: 2}]\n");
  const RunCost cost = CostOf(run, m, 0, 4);
  // A block has 7 x 8 x 8 weights; attention over half of 10 tokens by 4 x 8 FLOP, at half rate.
  const double a_token = 2 * 448 + 2 * 4 * 8 * 5;
  // 2 blocks x (5 steps x 3 passes over 20 tokens + 3 passes over 40 + 3 over the 4 samples that
  // layers are described with).
  EXPECT_DOUBLE_EQ(cost.tune.flops, 2 * (5 * 3 * 20 + 3 * 40 + 3 * 40) * a_token);
  EXPECT_EQ(cost.evaluate.flops, 0);
  const RunCost measured = CostOf(run, m, 100, 4);
  EXPECT_DOUBLE_EQ(measured.evaluate.flops,
                   100 * (2 * (2 * 448 + 2 * 4 * 8 * 1024.0) + 2 * 8 * 16));
  EXPECT_DOUBLE_EQ(Seconds(Work{10, 20, 30}, {.flops = 5,
                                              .attainable = 0.5,
                                              .bandwidth = 8,
                                              .seconds_per_op = 2,
                                              .bytes_per_value = 4}),
                   10 / 2.5 + 20 * 4 / 8.0 + 60);
}

TEST(CostModelTest, ThePapers70BModelOnOneA100IsWithinAQuarterOfTheirHours) {
  Estimator estimator(LoadHardware("a100-80g"));
  const auto estimate = estimator.Of(LoadRun(kPaper));
  ASSERT_TRUE(estimate);
  EXPECT_NEAR(estimate->seconds / 3600, 2.5, 0.25 * 2.5);
}

// SmolLM2-135M, 128 x 512 tokens, batch 8: 1.58 GiB; its evaluation alone 0.88 (results/).
TEST(CostModelTest, MemoryIsWithinAQuarterOfWhatWasMeasured) {
  ModelDescription m;
  UseLlamaPlans(&m);
  m.layers = 30;
  m.hidden = 576;
  m.intermediate = 1536;
  m.heads = 9;
  m.kv_heads = 3;
  m.head_dim = 64;
  m.vocab = 49152;
  m.tied_head = true;
  const std::string head = "model: m/\neval: [{type: perplexity, data: {path: x}}]\n";
  constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
  EXPECT_NEAR(CostOf(LoadRun(head), m, 4096, 4).peak_bytes / kGib, 0.88, 0.22);
  const RunConfig tuned =
      LoadRun(head +
              "quant: {bits: 4}\ncalibration: {data: {path: x}, samples: 128, seqlen: 512}\n"
              "pipeline: [{type: round, scheme: {type: signround}, batch: 8}]\n");
  EXPECT_NEAR(CostOf(tuned, m, 4096, 4).peak_bytes / kGib, 1.58, 0.4);
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

TEST(CostModelTest, LayerByLayerKeepsTheInputsOfTheWidestLayer) {
  ModelDescription m;  // LLaMA 7B
  UseLlamaPlans(&m);
  m.layers = 32;
  m.hidden = 4096;
  m.intermediate = 11008;
  m.heads = m.kv_heads = 32;
  m.head_dim = 128;
  m.vocab = 32000;
  const auto peak = [&](const std::string& unit) {
    const RunConfig run = LoadRun(
        "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}, samples: 512, seqlen: 2048}\n"
        "pipeline: [{type: round, scheme: {type: adaround}, unit: " +
        unit + "}]\n");
    return CostOf(run, m, 0, 4).peak_bytes;
  };
  // down_proj: inputs of both chains and the copy that joins one, 11008 floats a token each.
  EXPECT_NEAR(peak("linear") - peak("block"), 512.0 * 2048 * 3 * 11008 * 4, 1e6);
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
  const auto flops = [&](const RunConfig& config) { return CostOf(config, m, 0, 4).tune.flops; };
  const double tuned = flops(run("", "signround"));
  EXPECT_EQ(flops(run("", "rtn")), 0);
  EXPECT_DOUBLE_EQ(flops(run(teq, "rtn")), tuned);
  EXPECT_DOUBLE_EQ(flops(run(teq, "signround")), 2 * tuned);
  EXPECT_EQ(ProbeMachine(run(teq, "rtn"), m).tune_factor, 1);
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
