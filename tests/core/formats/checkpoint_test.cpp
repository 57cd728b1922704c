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
using testing::TempFolder;
using testing::TensorValues;
using testing::Vectors;

std::string OpenError(const std::string& path) {
  return ErrorOf([&] { OpenCheckpoint(path); });
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
  EXPECT_EQ(OpenError(folder.path()),
            folder.path() + ": no .safetensors file in this folder, and no pytorch_model.bin");
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

}  // namespace
}  // namespace roundlab
