#include "core/formats/open_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <limits>
#include <span>

#include "tests/core/formats/format_files.h"
#include "tests/core/formats/tensor_values.h"

namespace roundlab {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ErrorOf;
using testing::NotRoot;
using testing::Safetensors;
using testing::TempFolder;
using testing::TensorValues;

/// A safetensors file of float32 vectors of two elements.
std::string Vectors(const std::vector<std::pair<std::string, std::vector<float>>>& tensors) {
  std::string header = "{";
  std::string data;
  for (const auto& [name, values] : tensors) {
    header += (header == "{" ? "\"" : ",\"") + name + R"(":{"dtype":"F32","shape":[2],)" +
              R"("data_offsets":[)" + std::to_string(data.size()) + "," +
              std::to_string(data.size() + 8) + "]}";
    data += Bytes(values);
  }
  return Safetensors(header + "}", data);
}

std::string OpenError(const std::string& path) {
  return ErrorOf([&] { OpenCheckpoint(path); });
}

TEST(CheckpointTest, ReadsAFolderWithOneFile) {
  const TempFolder folder;
  folder.Write("model.safetensors", Vectors({{"b", {1, 2}}, {"a", {3, 4}}}));
  folder.Write("other.safetensors", "not looked at");
  const auto checkpoint = OpenCheckpoint(folder.path());
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b"));
  EXPECT_THAT(TensorValues(*checkpoint, "b"), ElementsAre(1, 2));
  EXPECT_EQ(checkpoint->Find("c"), nullptr);
  EXPECT_EQ(checkpoint->gguf(), nullptr);
}

TEST(CheckpointTest, ReadsTheOnlySafetensorsFileWhateverItsName) {
  const TempFolder folder;
  folder.Write("weights.safetensors", Vectors({{"a", {3, 4}}}));
  folder.Write("config.json", "{}");
  EXPECT_THAT(TensorValues(*OpenCheckpoint(folder.path()), "a"), ElementsAre(3, 4));
}

TEST(CheckpointTest, IndexSaysWhichShards) {
  const TempFolder folder;
  folder.Write("model.safetensors.index.json",
               R"({"metadata":{"total_size":16},"weight_map":{"a":"1.safetensors",)"
               R"("b":"2.safetensors"}})");
  folder.Write("1.safetensors", Vectors({{"a", {1, 2}}, {"extra", {5, 6}}}));
  folder.Write("2.safetensors", Vectors({{"b", {3, 4}}}));
  folder.Write("3.safetensors", "not looked at");
  const auto checkpoint = OpenCheckpoint(folder.path());
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b", "extra"));
  EXPECT_THAT(TensorValues(*checkpoint, "a"), ElementsAre(1, 2));
  EXPECT_THAT(TensorValues(*checkpoint, "b"), ElementsAre(3, 4));
}

TEST(CheckpointTest, AnIndexBesideASingleFileIsLeftOver) {  // as for transformers
  const TempFolder folder;
  folder.Write("model.safetensors.index.json", R"({"weight_map":{"a":"gone.safetensors"}})");
  folder.Write("model.safetensors", Vectors({{"a", {3, 4}}}));
  EXPECT_THAT(TensorValues(*OpenCheckpoint(folder.path()), "a"), ElementsAre(3, 4));
}

TEST(CheckpointTest, MissingTensorIsAnError) {
  const TempFolder folder;
  const std::string file = folder.Write("model.safetensors", Vectors({{"a", {1, 2}}}));
  EXPECT_EQ(ErrorOf([&] {
              std::vector<std::int64_t> shape;
              std::vector<float> values;
              OpenCheckpoint(folder.path())->Read("x", &shape, &values);
            }),
            file + ": tensor 'x' is missing");
}

TEST(CheckpointTest, NanAndInfinityAreErrors) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kMax = std::numeric_limits<float>::max();
  const TempFolder folder;
  const std::string file = folder.Write("model.safetensors", Vectors({{"fine", {kMax, -kMax}},
                                                                      {"inf", {1, kInfinity}},
                                                                      {"minus", {-kInfinity, kNan}},
                                                                      {"nan", {1, -kNan}}}));
  const auto checkpoint = OpenCheckpoint(folder.path());
  EXPECT_THAT(TensorValues(*checkpoint, "fine"), ElementsAre(kMax, -kMax));
  EXPECT_EQ(ErrorOf([&] { TensorValues(*checkpoint, "inf"); }),
            file + ": tensor 'inf' holds infinity at element 1");
  EXPECT_EQ(ErrorOf([&] { TensorValues(*checkpoint, "minus"); }),
            file + ": tensor 'minus' holds infinity at element 0");
  EXPECT_EQ(ErrorOf([&] { TensorValues(*checkpoint, "nan"); }),
            file + ": tensor 'nan' holds NaN at element 1");
}

TEST(CheckpointTest, TheOneNanIsFoundWhereverItIs) {
  for (const std::size_t at : {0U, 1U, 17U, 511U, 1000U}) {
    std::vector<float> values(1001, 1.0F);
    values[at] = std::numeric_limits<float>::signaling_NaN();
    const std::string bytes = Bytes(values);
    const TensorView view{"w", ElementType::kF32, {1001}, std::as_bytes(std::span(bytes)), "a"};
    std::vector<float> out(values.size());
    EXPECT_EQ(ErrorOf([&] { ReadFinite(view, out); }),
              "a: tensor 'w' holds NaN at element " + std::to_string(at));
  }
}

TEST(CheckpointTest, WhatIsNoModelIsAnError) {
  const TempFolder folder;
  const std::string missing = folder / "none";
  const std::string text = folder.Write("a.txt", "");
  EXPECT_EQ(OpenError(missing), missing + ": cannot open: No such file or directory");
  EXPECT_EQ(OpenError(text),
            text + ": not a model: expected a folder with safetensors or a .gguf file");
  EXPECT_EQ(OpenError(folder.path()), folder.path() + ": no .safetensors file in this folder");
  folder.Write("b.safetensors", "");
  folder.Write("a.safetensors", "");
  EXPECT_EQ(OpenError(folder.path()),
            folder.path() +
                ": 2 .safetensors files (a.safetensors, b.safetensors), but neither "
                "model.safetensors.index.json nor model.safetensors");
}

TEST(CheckpointTest, FolderThatCannotBeReadIsAnError) {
  const TempFolder folder;
  folder.Write("model.safetensors", Vectors({{"a", {1, 2}}}));
  ASSERT_EQ(::chmod(folder.path().c_str(), 0), 0);
  std::string message;
  std::string inside;
  {
    const NotRoot user;
    message = OpenError(folder.path());
    inside = OpenError(folder / "model.gguf");
  }
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  EXPECT_EQ(message, folder / "model.safetensors: cannot open: Permission denied");
  EXPECT_EQ(inside, folder / "model.gguf: cannot open: Permission denied");
}

TEST(CheckpointTest, IndexThatLiesIsAnError) {
  const TempFolder folder;
  const std::string index = folder / "model.safetensors.index.json";
  const auto error_of = [&](const std::string& json) {
    folder.Write("model.safetensors.index.json", json);
    const std::string message = OpenError(folder.path());
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
