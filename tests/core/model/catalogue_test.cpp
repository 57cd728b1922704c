#include "core/model/catalogue.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "core/model/shapes.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

TEST(ModelCatalogueTest, HasTheNamesThatConfigsRelyOn) {
  std::map<std::string, const ModelEntry*> models;
  for (const ModelEntry& entry : ModelCatalogue()) models.emplace(entry.name, &entry);
  for (const char* name : {"smollm2", "tinystories-656k", "stories260k", "babyllama-tok105"}) {
    EXPECT_EQ(models.count(name), 1U) << name;
  }
  ASSERT_EQ(models.count("llama-2-70b"), 1U);
  EXPECT_EQ(DescribeShape(models.at("llama-2-70b")->shape).layers, 80);
}

TEST(ModelCatalogueTest, ItsShapesAreKnown) {
  for (const ModelEntry& entry : ModelCatalogue()) {
    if (entry.shape.empty()) continue;
    EXPECT_GT(DescribeShape(entry.shape).layers, 0) << entry.name;
  }
}

TEST(ModelCatalogueTest, ModelsResolveByNameFolderOrPath) {
  const TempFolder folder;
  ::setenv("ROUNDLAB_MODELS", folder.path().c_str(), 1);
  EXPECT_EQ(ErrorOf([] { ResolveModel("tinystories-656k"); }),
            "model 'tinystories-656k' is not at " + folder.path() +
                "/TinyStories-656K; put raincandy-u/TinyStories-656K there (config.json, "
                "model.safetensors, tokenizer.json)");
  std::filesystem::create_directory(folder / "TinyStories-656K");
  EXPECT_EQ(ResolveModel("tinystories-656k"), folder / "TinyStories-656K");
  EXPECT_EQ(ResolveModel(folder.path()), folder.path());
  EXPECT_EQ(ResolveModel("some/where"), "some/where");
}

}  // namespace
}  // namespace roundlab
