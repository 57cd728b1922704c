#include "rounding/stage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace roundlab {
namespace {

std::vector<StageRecipe> Recipes(const std::vector<std::string>& stages) {
  std::vector<StageRecipe> pipeline;
  for (const std::string& stage : stages) pipeline.push_back(Stages().FromText("type: " + stage));
  return pipeline;
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
}

}  // namespace
}  // namespace roundlab
