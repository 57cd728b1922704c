#include "experiments/tables/mixed_inputs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/files.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::TempFolder;

class MixedInputsTest : public ::testing::Test {
 protected:
  MixedInputsTest() {
    const std::string file = folder_.path() + "/e.yaml";
    WriteFileAtomically(file,
                        "model: m/\ncalibration: {data: {path: x}}\n"
                        "pipeline: [{type: round, scheme: gptq}]\n"
                        "eval: [{type: perplexity, name: t, data: {path: x}}]\n"
                        "axes: [{key: quant.bits, values: [4, 3, 2]}]\n");
    experiment_ = LoadExperiment(file, {});
    for (const PlannedRun& run : experiment_.runs) {
      RunOutcome outcome;
      outcome.id = run.id;
      outcome.state = RunState::kDone;
      outcome.result.id = run.id;
      outcome.result.provenance = {
          {"model_sha256", "aa"}, {"calibration_sha256", "bb"}, {"eval/t/tokens_sha256", "cc"}};
      outcomes_.push_back(outcome);
    }
  }

  TempFolder folder_;
  Experiment experiment_;
  std::vector<RunOutcome> outcomes_;
};

TEST_F(MixedInputsTest, RunsOfTheSameFilesHaveNothingToTell) {
  EXPECT_TRUE(MixedInputs(experiment_, outcomes_).empty());
}

TEST_F(MixedInputsTest, WhatChangedBetweenRunsIsNamedWithARunOfEach) {
  for (const auto& [key, what] :
       std::vector<std::pair<std::string, std::string>>{{"model_sha256", "model m/"},
                                                        {"calibration_sha256", "calibration text"},
                                                        {"eval/t/tokens_sha256", "text of t"}}) {
    std::vector<RunOutcome> outcomes = outcomes_;
    std::string& last = outcomes[2].result.provenance[key];
    const std::string first = last;
    last = "dddddddddddddddddddd";
    EXPECT_EQ(
        MixedInputs(experiment_, outcomes),
        std::vector<std::string>{what + " has changed between complete runs: " + first + " (run " +
                                 outcomes[0].id + "), dddddddddddddddd (run " + outcomes[2].id +
                                 "); remove the folders of those that are out of date"});
    outcomes[2].state = RunState::kFailed;
    EXPECT_TRUE(MixedInputs(experiment_, outcomes).empty());
  }
}

TEST_F(MixedInputsTest, OtherModelsMayDiffer) {
  experiment_.runs[2].config.model.path = "other/";
  for (auto& [key, value] : outcomes_[2].result.provenance) value = "other";
  EXPECT_TRUE(MixedInputs(experiment_, outcomes_).empty());
}

}  // namespace
}  // namespace roundlab
