#include "core/model/models_doc.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/model/families/arcee.h"
#include "core/model/families/builtin.h"
#include "core/model/shapes.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

using testing::SourceFolder;

TEST(ModelsDocTest, ThePageIsCurrent) {
  EXPECT_EQ(ReadFile(SourceFolder() + "/docs/models.md"), ModelsMarkdown())
      << "write it anew: roundlab describe models > docs/models.md";
}

TEST(ModelsDocTest, EachFamilyHasAShape) {
  std::set<std::string> families;
  for (const NamedShape& shape : NamedShapes()) {
    const std::string family = DescribeShape(shape.name).family;
    const auto whole = BuiltinMultimodal().find(family);
    families.insert(whole == BuiltinMultimodal().end() ? family : whole->second.text);
  }
  for (const auto& [family, describe] : BuiltinFamilies()) {
    EXPECT_EQ(families.count(family), 1U) << family;
  }
}

TEST(ExampleFamilyTest, ThePageShowsTheFilesThatAreCompiled) {
  const std::string page = ReadFile(SourceFolder() + "/docs/adding_a_family.md");
  for (const char* file : {"arcee.h", "arcee.cpp"}) {
    const std::string code = ReadFile(SourceFolder() + "/core/model/families/" + file);
    EXPECT_NE(page.find("```cpp\n" + code + "```"), std::string::npos) << file;
  }
}

TEST(ExampleFamilyTest, ItsBlockIsWhatTheyDescribe) {
  const ConfigReader config({{"hidden_size", 32},
                             {"intermediate_size", 48},
                             {"num_hidden_layers", 2},
                             {"num_attention_heads", 4},
                             {"vocab_size", 50},
                             {"max_position_embeddings", 64}},
                            "config.json");
  const ModelDescription d = DescribeArcee(config);
  const BlockPlan plan = d.Plan(1);
  ASSERT_EQ(plan.linears.size(), 6U);
  EXPECT_EQ(plan.linears[4].name, "model.layers.1.mlp.up_proj");
  EXPECT_EQ(plan.linears[4].input, 2U);
  EXPECT_EQ(plan.mlp.activation, Activation::kReluSquared);
  EXPECT_FALSE(plan.mlp.gated);
  EXPECT_EQ(plan.Norm(NormPlace::kBeforeMlp)->feeds, (std::vector<std::size_t>{2}));
}

}  // namespace
}  // namespace roundlab
