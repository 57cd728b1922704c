#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "docs/example/error_diffusion.h"
#include "rounding/schemes/rtn.h"
#include "tests/support/random_tensor.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

std::string Text(const std::string& name) {
  std::ifstream file(testing::SourceFolder() + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

LayerContext Layer() {
  LayerContext layer{"layer",
                     testing::RandomTensor({16, 64}, 3),
                     {3, 32, GridKind::kAsym, ScaleType::kFloat32, false},
                     {},
                     0};
  layer.range = MinMaxRange(layer.Layout().Split(layer.weight));
  return layer;
}

TEST(ExampleSchemeTest, ThePageShowsTheFilesThatAreCompiledHere) {
  const std::string page = Text("docs/adding_a_scheme.md");
  for (const char* file : {"docs/example/error_diffusion.h", "docs/example/error_diffusion.cpp"}) {
    EXPECT_NE(page.find("```cpp\n" + Text(file) + "```"), std::string::npos) << file;
  }
}

TEST(ExampleSchemeTest, ARegistryTakesItAndReadsItsOptions) {
  RoundingRegistry registry("rounding scheme");
  registry.Add<ErrorDiffusion>("error_diffusion", "errors go to the next weight");
  const auto recipe = registry.FromText("{type: error_diffusion, strength: 0.5}");
  EXPECT_EQ(recipe.canonical, "type: error_diffusion\nstrength: 0.5\n");
  EXPECT_FALSE(recipe.make()->Traits().tunable);
}

TEST(ExampleSchemeTest, StrengthZeroIsRoundToNearest) {
  const LayerContext layer = Layer();
  const QuantizedWeight plain = ErrorDiffusion({0}).Begin(layer)->Finish();
  const QuantizedWeight nearest = RtnRounding({}).Begin(layer)->Finish();
  EXPECT_TRUE(at::equal(plain.codes, nearest.codes));
}

TEST(ExampleSchemeTest, DiffusedErrorsOfAGroupCancel) {
  const LayerContext layer = Layer();
  const auto group_error = [&](const QuantizedWeight& weight) {
    const at::Tensor error = layer.weight - weight.Dequantize();
    return layer.Layout().Split(error).sum(1).abs().max().item<double>();
  };
  // What is left of a group is the error of its last weight, at most a scale while nothing is
  // clamped.
  const QuantizedWeight diffused = ErrorDiffusion({1}).Begin(layer)->Finish();
  EXPECT_LT(group_error(diffused), group_error(RtnRounding({}).Begin(layer)->Finish()));
}

}  // namespace
}  // namespace roundlab
