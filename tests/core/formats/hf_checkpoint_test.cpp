#include "core/formats/hf_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/core/formats/format_files.h"
#include "tests/core/formats/tensor_values.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;
using testing::ErrorOf;
using testing::TempFolder;
using testing::TensorValues;
using testing::Vectors;

std::string FolderError(const std::string& folder) {
  return ErrorOf([&] { OpenHfFolder(folder); });
}

TEST(HfCheckpointTest, ReadsAFolderWithOneFile) {
  const TempFolder folder;
  folder.Write("model.safetensors", Vectors({{"b", {1, 2}}, {"a", {3, 4}}}));
  folder.Write("other.safetensors", "not looked at");
  const auto checkpoint = OpenHfFolder(folder.path());
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b"));
  EXPECT_THAT(TensorValues(*checkpoint, "b"), ElementsAre(1, 2));
  EXPECT_EQ(checkpoint->Find("c"), nullptr);
  EXPECT_EQ(checkpoint->gguf(), nullptr);
}

TEST(HfCheckpointTest, ReadsTheOnlySafetensorsFileWhateverItsName) {
  const TempFolder folder;
  folder.Write("weights.safetensors", Vectors({{"a", {3, 4}}}));
  folder.Write("config.json", "{}");
  EXPECT_THAT(TensorValues(*OpenHfFolder(folder.path()), "a"), ElementsAre(3, 4));
}

TEST(HfCheckpointTest, IndexSaysWhichShards) {
  const TempFolder folder;
  folder.Write("model.safetensors.index.json",
               R"({"metadata":{"total_size":16},"weight_map":{"a":"1.safetensors",)"
               R"("b":"2.safetensors"}})");
  folder.Write("1.safetensors", Vectors({{"a", {1, 2}}, {"extra", {5, 6}}}));
  folder.Write("2.safetensors", Vectors({{"b", {3, 4}}}));
  folder.Write("3.safetensors", "not looked at");
  const auto checkpoint = OpenHfFolder(folder.path());
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b", "extra"));
  EXPECT_THAT(TensorValues(*checkpoint, "a"), ElementsAre(1, 2));
  EXPECT_THAT(TensorValues(*checkpoint, "b"), ElementsAre(3, 4));
}

TEST(HfCheckpointTest, AnIndexBesideASingleFileIsLeftOver) {  // as for transformers
  const TempFolder folder;
  folder.Write("model.safetensors.index.json", R"({"weight_map":{"a":"gone.safetensors"}})");
  folder.Write("model.safetensors", Vectors({{"a", {3, 4}}}));
  EXPECT_THAT(TensorValues(*OpenHfFolder(folder.path()), "a"), ElementsAre(3, 4));
}

TEST(HfCheckpointTest, IndexThatLiesIsAnError) {
  const TempFolder folder;
  const std::string index = folder / "model.safetensors.index.json";
  const auto error_of = [&](const std::string& json) {
    folder.Write("model.safetensors.index.json", json);
    const std::string message = FolderError(folder.path());
    return message.substr(std::min(message.size(), index.size()));
  };
  folder.Write("1.safetensors", Vectors({{"a", {1, 2}}}));
  folder.Write("2.safetensors", Vectors({{"a", {1, 2}}, {"b", {3, 4}}}));
  EXPECT_EQ(error_of(""), ": not JSON: error at byte 1");
  EXPECT_EQ(error_of("{1"), ": not JSON: error at byte 2");
  EXPECT_EQ(error_of("{\"a\":1e999}"), ": not JSON: a number out of range");
  EXPECT_EQ(error_of("[]"), ": has no object 'weight_map'");
  EXPECT_EQ(error_of("{}"), ": has no object 'weight_map'");
  EXPECT_EQ(error_of(R"({"weight_map":[]})"), ": has no object 'weight_map'");
  const std::string expected = ", expected the name of a file beside the index";
  for (const char* shard : {"1", R"("")", R"("..")", R"("../1.safetensors")", R"("/etc/passwd")"}) {
    EXPECT_EQ(error_of(std::string(R"({"weight_map":{"a":)") + shard + "}}"),
              std::string(": weight_map of tensor 'a' is ") + shard + expected);
  }
  EXPECT_EQ(error_of(R"({"weight_map":{"a":"3.safetensors"}})"),
            ": shard '3.safetensors' is missing (it has tensor 'a')");
  EXPECT_EQ(error_of(R"({"weight_map":{"b":"1.safetensors"}})"),
            ": tensor 'b' is not in its shard '1.safetensors'");
  EXPECT_EQ(error_of(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})"),
            ": tensor 'a' is both in 1.safetensors and in 2.safetensors");
}

}  // namespace
}  // namespace roundlab
