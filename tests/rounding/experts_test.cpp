#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/model/families.h"
#include "core/model/random_source.h"
#include "rounding/pipeline.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kExperts = 8;

/// A block of eight experts, a token to two of them: two tokens leave four and more without any.
class IdleExpertsTest : public ::testing::Test {
 protected:
  IdleExpertsTest() {
    inputs_.source = &source_;
    quant_.spec.bits = 3;
    quant_.spec.group_size = 16;
  }

  static RandomSource Mixture() {
    const nlohmann::json config = {{"model_type", "mixtral"},
                                   {"hidden_size", 32},
                                   {"intermediate_size", 48},
                                   {"num_hidden_layers", 1},
                                   {"num_attention_heads", 4},
                                   {"num_key_value_heads", 4},
                                   {"vocab_size", 50},
                                   {"max_position_embeddings", 512},
                                   {"num_local_experts", kExperts},
                                   {"num_experts_per_tok", 2}};
    return {DescribeHuggingFace(config.dump(), "config.json"), "random:mixtral", 1};
  }

  /// What is written to the log.
  std::string Told(const std::string& stage, std::int64_t tokens) {
    inputs_.tokens = (at::arange(tokens, at::kLong) % 50).view({1, tokens});
    const std::string file = folder_.path() + "/" + std::to_string(++runs_) + ".txt";
    record_ = {};
    {
      Log log(file, true);
      QuantizeModel(inputs_, quant_, {Stages().FromText(stage)}, &record_, &log);
    }
    return ReadFile(file);
  }
  double Idle() const { return record_.arrays().at("units/block_0/idle_experts").values.at(0); }

  testing::TempFolder folder_;
  const RandomSource source_ = Mixture();
  PipelineInputs inputs_;
  QuantOptions quant_;
  RunRecord record_;
  int runs_ = 0;
};

TEST_F(IdleExpertsTest, AreToldAndCountedByWhateverLearnsFromData) {
  for (const char* stage : {"type: round\nscheme: signround\nsteps: 2\nbatch: 1",
                            "type: round\nscheme: {type: gptq, asymmetric: true}"}) {
    const std::string told = Told(stage, 2);
    EXPECT_GE(Idle(), 4);
    EXPECT_LT(Idle(), kExperts);
    EXPECT_THAT(told, HasSubstr("block_0: nothing is learned of " +
                                std::to_string(static_cast<int>(Idle())) +
                                " of 8 experts that no calibration token was sent to ("))
        << stage;
    EXPECT_THAT(Told(stage, 400), Not(HasSubstr("no calibration token"))) << stage;
    EXPECT_EQ(record_.arrays().count("units/block_0/idle_experts"), 0U);
  }
}

TEST_F(IdleExpertsTest, AreNotToldWhereNothingIsLearnedFromData) {
  EXPECT_THAT(Told("type: round\nscheme: rtn", 2), Not(HasSubstr("calibration token")));
}

TEST_F(IdleExpertsTest, ABudgetTellsOfLayersThatNoScoreIsKnownOf) {
  for (const BudgetScore score :
       {BudgetScore::kDeltaLoss, BudgetScore::kFisher, BudgetScore::kOutputSnr}) {
    quant_.budget.emplace();
    quant_.budget->bits = 5;
    quant_.budget->score = score;
    const std::string told = Told("type: round\nscheme: rtn", 2);
    EXPECT_THAT(told, HasSubstr(" more: no score tells what rounding costs there"));
    // 8 experts in all, those of no score among them.
    EXPECT_THAT(told, HasSubstr("quant.budget: block 0: q_proj "));
    EXPECT_THAT(told, HasSubstr(", experts' w1 2 ("));
    EXPECT_THAT(Told("type: round\nscheme: rtn", 400), Not(HasSubstr("no score tells")));
  }
}

TEST_F(IdleExpertsTest, AreNoReasonForAsymmetricCalibrationToBeTold) {
  const std::string told = Told("type: round\nscheme: {type: gptq, asymmetric: true}", 2);
  std::size_t symmetric = 0;
  for (std::size_t at = told.find("calibrated symmetrically, since an expert is sent other tokens");
       at != std::string::npos; at = told.find("calibrated symmetrically", at + 1)) {
    ++symmetric;
  }
  EXPECT_EQ(symmetric, 3 * (kExperts - static_cast<std::size_t>(Idle())));
}

}  // namespace
}  // namespace roundlab
