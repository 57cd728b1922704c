#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "experiments/plan/experiment.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

RunConfig RunOf(const std::string& yaml) {
  const testing::TempFolder folder;
  return LoadExperiment(folder.Write("e.yaml", yaml), {}).runs.at(0).config;
}

std::vector<std::string> Messages(const RunConfig& run) {
  std::vector<std::string> messages;
  for (const Diagnostic& unused : run.Unused()) messages.push_back(unused.message);
  return messages;
}

TEST(UnusedKeysTest, AreToldWithTheirPlace) {
  const testing::TempFolder folder;
  folder.Write("base.yaml", "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}}\n");
  const std::string file = folder.Write("e.yaml",
                                        "extends: base.yaml\n"
                                        "pipeline:\n"
                                        "  - type: round\n"
                                        "    scheme: {type: signround, tune_range: false,\n"
                                        "             range_lr_factor: 2}\n"
                                        "    batch: 999\n"
                                        "  - {type: activations, percentile: 99}\n");
  const RunConfig run =
      LoadExperiment(file, {"quant.range={type: mse, patience: 3}"}).runs[0].config;
  std::vector<std::string> places;
  for (const Diagnostic& unused : run.Unused()) places.push_back(unused.where.ToString());
  EXPECT_THAT(places, ::testing::ElementsAre(file + ":5:31", file + ":7:37", file + ":6:12"));
}

TEST(UnusedKeysTest, OfCalibrationAreWhatItsProtocolDoesNotDraw) {
  const auto unused = [](const std::string& calibration) {
    return Messages(
        RunOf("model: m/\nquant: {bits: 4}\npipeline: [{type: round, scheme: gptq}]\n"
              "calibration: {data: {path: x}, " +
              calibration + "}"));
  };
  EXPECT_THAT(unused("protocol: plain, seed: 7, shuffle: false"),
              ::testing::ElementsAre("calibration.seed: of no use with protocol: plain",
                                     "calibration.shuffle: of no use without protocol: signround"));
  EXPECT_THAT(unused("protocol: gptq_c4, seed: 7, shuffle: false"),
              ::testing::ElementsAre("calibration.shuffle: of no use without protocol: signround"));
  EXPECT_THAT(unused("protocol: signround, seed: 7, shuffle: false"),
              ::testing::ElementsAre("calibration.seed: of no use without shuffle"));
  EXPECT_THAT(unused("protocol: signround, seed: 7"), ::testing::IsEmpty());
}

TEST(UnusedKeysTest, AreToldWithKeyAndReason) {
  const auto unused = [](const std::string& pipeline) {
    return Messages(RunOf(
        "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}}\npipeline: " + pipeline));
  };
  EXPECT_THAT(unused("[{type: round, scheme: gptq, inputs: fp, optimizer: {type: adam, lr: 0.1}}]"),
              ::testing::ElementsAre("pipeline.0.optimizer, pipeline.0.inputs: of no use to scheme "
                                     "'gptq'"));
  EXPECT_THAT(
      unused("[{type: round, scheme: signround, inputs: fp, start: {scheme: rtn, steps: 3}}]"),
      ::testing::ElementsAre("pipeline.0.start.steps: of no use to scheme 'rtn'"));
  EXPECT_THAT(
      Messages(RunOf(
          "model: m/\nquant: {bits: 2, group_size: 64, grid: sym}\ncalibration: {data: {path: x}}\n"
          "pipeline: [{type: round, scheme: {type: aqlm, codebooks: 2}}]")),
      ::testing::ElementsAre(
          "quant.bits, quant.group_size, quant.grid: of no use to scheme 'aqlm'"));
  for (const auto& [scheme, told] : {std::pair("quip", true),
                                     {"{type: quip, basis: own}", false},
                                     {"aqlm", true},
                                     {"rtn", false}}) {
    const std::string pipeline =
        std::string("[{type: round, scheme: ") + scheme + "}, scale_refit]";
    EXPECT_EQ(unused(pipeline),
              told ? std::vector<std::string>{"pipeline.1: of no use behind scheme '" +
                                              std::string(scheme) +
                                              "', whose codes are no steps of a grid"}
                   : std::vector<std::string>{});
  }
  for (const char* optimizer : {"{type: sign_sgd, lr: 0.5}", "{type: adam, lr: 0.5}"}) {
    EXPECT_THAT(
        unused(std::string("[{type: round, scheme: signround_v2, optimizer: ") + optimizer + "}]"),
        ::testing::ElementsAre("pipeline.0.optimizer.lr: of no use beside lr_times_steps",
                               "scheme 'signround_v2' is 'signround' on quant.grid 'asym'"));
  }
  EXPECT_THAT(
      unused("[{type: round, scheme: signround, batch: 999}]"),
      ::testing::ElementsAre("pipeline.0.batch: 999, but a step takes all of the 128 samples "
                             "that there are (calibration.samples)"));
  EXPECT_THAT(
      unused("[{type: activations, percentile: 99}, {type: round, scheme: {type: signround, "
             "tune_range: false, range_lr_factor: 2}}]"),
      ::testing::ElementsAre("pipeline.0.percentile: of no use without ranges: static",
                             "pipeline.1.scheme.range_lr_factor: of no use without tune_range"));
  for (const std::string residual : {"none", "hadamard"}) {
    EXPECT_THAT(Messages(RunOf("model: {path: m/, rotate: {residual: " + residual + ", seed: 3}}")),
                ::testing::ElementsAre("model.rotate.seed: of no use without random in residual"));
  }
  EXPECT_THAT(Messages(RunOf("model: {path: m/, rotate: {residual: random, seed: 3}}")),
              ::testing::IsEmpty());
  EXPECT_THAT(unused("[{type: round, scheme: rtn}, {type: activations, bits: 8, ranges: static, "
                     "per: tensor, learn: {gradient_precision: int8}}]"),
              ::testing::ElementsAre("pipeline.1.learn.gradient_precision: of no use where no "
                                     "weight is trained"));
  // What is as it would be anyway tells no runs apart.
  EXPECT_THAT(unused("[{type: round, scheme: rtn, steps: 200}]"), ::testing::IsEmpty());
  EXPECT_THAT(unused("[{type: round, scheme: signround, steps: 3}]"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace roundlab
