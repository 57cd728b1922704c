#include "rounding/stage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/model/families.h"
#include "rounding/stages/round.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

constexpr const char* kConfig = R"({"model_type": "FAMILY", "hidden_size": 32,
  "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 50,
  "max_position_embeddings": 16, "num_local_experts": 3, "num_experts_per_tok": 2})";

ModelDescription Model(const std::string& family = "llama") {
  std::string config = kConfig;
  config.replace(config.find("FAMILY"), 6, family);
  return DescribeHuggingFace(config, "config.json");
}

std::vector<StageRecipe> Recipes(const std::vector<std::string>& stages) {
  std::vector<StageRecipe> pipeline;
  for (const std::string& stage : stages) pipeline.push_back(Stages().FromText("type: " + stage));
  return pipeline;
}

/// What is wrong with stages for a model.
std::string Misfit(const std::vector<std::string>& stages, const QuantOptions& quant = {},
                   const std::string& family = "llama") {
  return testing::ErrorOf([&] { CheckStages(Recipes(stages), Model(family), quant); });
}

std::string RoundMisfit(const std::string& scheme, const QuantOptions& quant = {}) {
  return Misfit({"round\nscheme: " + scheme}, quant);
}

QuantOptions Quant(std::int64_t bits, std::int64_t group_size) {
  QuantOptions quant;
  quant.spec.bits = bits;
  quant.spec.group_size = group_size;
  return quant;
}

TEST(StageCheckTest, LossesOfLogitsNeedTheWholeModel) {
  const std::string needs =
      "pipeline.0: loss 'soft_labels' is of the model's logits and needs unit: {blocks: 3}, the "
      "whole model";
  EXPECT_EQ(RoundMisfit("signround\nloss: soft_labels"), needs);
  EXPECT_EQ(RoundMisfit("signround\nloss: soft_labels\nunit: linear"), needs);
  EXPECT_EQ(RoundMisfit("llm_qat\nunit: block"), needs);
  EXPECT_EQ(RoundMisfit("llm_qat\nunit: {blocks: 2}"), needs);
  EXPECT_EQ(RoundMisfit("gptq\nstart: {scheme: signround, loss: soft_labels}"), needs);
  EXPECT_EQ(RoundMisfit("llm_qat\nunit: {blocks: 3}"), "");
  EXPECT_EQ(RoundMisfit("rtn\nloss: soft_labels"), "");  // that nothing is tuned by
}

TEST(StageCheckTest, ExpertsAreNotTunedByThemselves) {
  const std::string linear = "round\nscheme: signround\nunit: linear";
  EXPECT_EQ(Misfit({linear}, {}, "mixtral"),
            "pipeline.0: model.layers.0.block_sparse_moe.experts.0.w1: an expert can't be tuned by "
            "itself: the tokens it is sent change with what is rounded (use unit: block)");
  EXPECT_EQ(Misfit({"round\nscheme: signround"}, {}, "mixtral"), "");
  EXPECT_EQ(Misfit({"round\nscheme: rtn\nunit: linear"}, {}, "mixtral"), "");
  QuantOptions skipped;
  skipped.skip = {".*experts.*"};
  EXPECT_EQ(Misfit({linear}, skipped, "mixtral"), "");
}

TEST(StageCheckTest, ARankIsAtMostTheSmallerSide) {
  const std::string round = "round\nscheme: rtn";
  EXPECT_EQ(Misfit({round, "lorc\nrank: 33"}),
            "pipeline.1: model.layers.0.self_attn.q_proj: lorc.rank 33 is more than the smaller "
            "side of its weight, 32");
  EXPECT_EQ(Misfit({round, "lorc\nrank: 32"}), "");
  QuantOptions skipped;
  skipped.skip = {".*"};
  EXPECT_EQ(Misfit({round, "lorc\nrank: 33"}, skipped), "");
}

TEST(StageCheckTest, TablesAndCodebooksFitTheirLayers) {
  EXPECT_EQ(RoundMisfit("{type: squeezellm, sensitivity: none}", Quant(6, -1)),
            "pipeline.0: model.layers.0.self_attn.q_proj: scheme 'squeezellm' with quant.bits 6: a "
            "table of 64 values is larger than its row of 32 weights");
  EXPECT_EQ(RoundMisfit("{type: squeezellm, sensitivity: none}", Quant(5, -1)), "");
  EXPECT_EQ(RoundMisfit("{type: aqlm, group: 12, code_bits: 4}", Quant(2, -1)),
            "pipeline.0: model.layers.0.self_attn.q_proj: scheme 'aqlm': groups of 12 don't fill a "
            "row of 32 weights");
  EXPECT_EQ(RoundMisfit("aqlm", Quant(2, -1)),
            "pipeline.0: model.layers.0.self_attn.q_proj: scheme 'aqlm': 2 codebooks of 256 "
            "vectors of 8 have more values (4096) than their matrix (1024)");
  EXPECT_EQ(RoundMisfit("{type: aqlm, group: 4, code_bits: 4}", Quant(2, -1)), "");
}

TEST(StageCheckTest, GroupsDownColumnsFillTheMatrix) {
  QuantOptions quant = Quant(4, 48);
  quant.spec.grid = GridKind::kFloatZero;
  EXPECT_EQ(RoundMisfit("{type: hqq, axis: 0}", quant),
            "pipeline.0: model.layers.0.self_attn.q_proj: scheme 'hqq' with axis 0 needs a "
            "group_size that divides the 32 x 32 weights, got 48");
  EXPECT_EQ(RoundMisfit("{type: hqq, axis: 1}", quant), "");
  quant.spec.group_size = -1;
  EXPECT_EQ(RoundMisfit("{type: hqq, axis: 0}", quant), "");
}

/// The budget decides, after all its scores are known: any of its choices must do.
TEST(StageCheckTest, WhatABudgetHasYetToDecideFitsAtEachOfItsChoices) {
  QuantOptions quant = Quant(8, -1);
  quant.budget = BitBudget{.choices = {4, 5}};
  EXPECT_EQ(RoundMisfit("{type: squeezellm, sensitivity: none}", quant), "");
  quant.budget->choices = {4, 6, 8};
  EXPECT_EQ(RoundMisfit("{type: squeezellm, sensitivity: none}", quant),
            "pipeline.0: of quant.budget's choices 6: model.layers.0.self_attn.q_proj: scheme "
            "'squeezellm' with quant.bits 6: a table of 64 values is larger than its row of 32 "
            "weights");
}

TEST(StageCheckTest, StartsThatAreMoreThanCodesOnAGrid) {
  const auto misfit = [](const std::string& start, std::int64_t group_size = 16) {
    return RoundMisfit("signround\nstart: {scheme: {type: " + start + "}}", Quant(2, group_size));
  };
  const auto refused = [](const std::string& type) {
    return "pipeline.0: model.layers.0.self_attn.q_proj: start: scheme '" + type +
           "', as its options are, makes more than codes on a grid of runs of columns, "
           "from which 'signround' can't begin (known: adaround, aquant, flexround, gptq, llm_qat, "
           "lrq, omniquant, rtn, signround, signround_v2, stochastic, tesseraq)";
  };
  for (const std::string type :
       {"aqlm", "easyquant", "llm_int8", "quip, basis: own", "squeezellm"}) {
    EXPECT_EQ(misfit(type), refused(type.substr(0, type.find(','))));
  }
  EXPECT_EQ(misfit("gptq, order: activation"), refused("gptq"));
  // With other options they are no more than that.
  EXPECT_EQ(misfit("gptq, order: activation", -1), "");
  EXPECT_EQ(misfit("gptq, order: activation, static_groups: true"), "");
  EXPECT_EQ(misfit("easyquant, outliers: 100"), "");
  EXPECT_EQ(misfit("llm_int8, columns: codes"), "");
}

TEST(UnusedRangeTest, WhatLooksAtRoundingErrorsKnowsEvenStepsOnly) {
  QuantOptions quant = Quant(4, 16);
  quant.spec.grid = GridKind::kPower;
  for (const std::string range : {"mse", "mse_2d", "awq_clip"}) {
    quant.range = RangeEstimators().FromText("type: " + range);
    EXPECT_EQ(UnusedRange(Recipes({"round\nscheme: powerquant"}), quant),
              "quant.range '" + range +
                  "' is min-max on grid 'power' (known: asym, float_zero, sym, sym_full, "
                  "sym_restricted)");
  }
  quant.overrides.push_back({".*q_proj", {}, {}, GridKind::kAsym});
  EXPECT_EQ(UnusedRange(Recipes({"round\nscheme: rtn"}), quant), "");
}

TEST(OrderProblemsTest, AStageIsThereOnce) {
  const std::string round = "round\nscheme: rtn";
  for (const std::string type : {"smoothquant", "awq_scale", "teq", "let", "spiq"}) {
    EXPECT_EQ(OrderProblems(Recipes({type, type})).at(1),
              "'" + type + "' is there already (pipeline.0)");
  }
  for (const std::string type : {"bias_correction", "lorc", "scale_refit"}) {
    EXPECT_EQ(OrderProblems(Recipes({round, type, type})).at(2),
              "'" + type + "' is there already (pipeline.1)");
  }
  EXPECT_TRUE(OrderProblems(Recipes({"smoothquant", "awq_scale", round, "lorc"})).empty());
}

TEST(OrderProblemsTest, BiasesAreCorrectedForTheWeightsThatStay) {
  const std::string round = "round\nscheme: rtn";
  for (const std::string type : {"lorc", "scale_refit"}) {
    EXPECT_EQ(OrderProblems(Recipes({round, "bias_correction", type})).at(2),
              "'" + type + "' changes weights and must come before pipeline.1, which goes by them");
    EXPECT_TRUE(OrderProblems(Recipes({round, type, "bias_correction"})).empty());
  }
}

TEST(OrderProblemsTest, WhatIsTunedInUnitsOfBlocksSharesOne) {
  const auto problem = [](const std::string& teq, const std::string& round) {
    const auto problems =
        OrderProblems(Recipes({"teq\nunit: " + teq, "round\nscheme: " + round, "bias_correction"}));
    return problems.empty() ? "" : problems.at(1);
  };
  EXPECT_EQ(problem("{blocks: 2}", "signround"),
            "'round' is tuned in units of 1 blocks and pipeline.0 of 2: give both the same unit");
  EXPECT_EQ(problem("{blocks: 2}", "signround\nunit: {blocks: 2}"), "");
  EXPECT_EQ(problem("{blocks: 2}", "adaround\nunit: linear"), "");
  EXPECT_EQ(problem("{blocks: 2}", "gptq"), "");
}

TEST(OrderProblemsTest, QuantizersAreGivenTwiceWhereTheSecondIsForSomeLayers) {
  const std::string again =
      " is there already (pipeline.0): give this one a match of its own, or leave one out";
  const auto second = [](const std::vector<std::string>& stages) {
    const auto problems = OrderProblems(Recipes(stages));
    return problems.empty() ? "" : problems.at(1);
  };
  for (const std::string type : {"activations", "kv_cache"}) {
    const std::string few = type + "\nmatch: '.*v_proj'";
    EXPECT_EQ(second({type, type + "\nbits: 4"}), "'" + type + "'" + again);
    EXPECT_EQ(second({few, type}), "'" + type + "'" + again);
    EXPECT_EQ(second({few, few}), "'" + type + "'" + again);
    EXPECT_EQ(second({type, few}), "");
  }
  EXPECT_EQ(second({"activations", "kv_cache"}), "");
  const std::string learned = "activations\nper: tensor\nranges: static\nlearn: {}";
  EXPECT_EQ(second({learned, learned + "\nmatch: '.*v_proj'"}),
            "'activations' is trained by pipeline.0 already: one with learn at the most");
}

}  // namespace
}  // namespace roundlab
