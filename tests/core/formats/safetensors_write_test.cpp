#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <span>
#include <stdexcept>

#include "core/formats/safetensors.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ErrorOf;
using testing::NotRoot;
using ::testing::Pair;
using testing::ReadAll;
using testing::TempFolder;

TensorToWrite Tensor(const std::string& name, ElementType type, std::vector<std::int64_t> shape,
                     const std::string& bytes) {
  return {name, type, std::move(shape), std::as_bytes(std::span(bytes))};
}

std::vector<std::string> FilesOf(const TempFolder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Files longer than `bytes` can't be written: as a full disk, but without needing one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(WriteSafetensorsTest, WhatIsWrittenIsReadBack) {
  const TempFolder folder;
  const std::string floats = Bytes<float>({1, 2, 3, 4, 5, 6});
  const std::string halves = Bytes<std::uint16_t>(0x3c00);
  WriteSafetensors(
      folder / "a",
      {Tensor("h", ElementType::kF16, {}, halves), Tensor("w", ElementType::kF32, {2, 3}, floats),
       Tensor("none", ElementType::kI32, {0}, "")},
      {{"format", "pt"}, {"key", "a \"quoted\" value"}});
  const SafetensorsFile file(folder / "a");
  EXPECT_THAT(file.metadata(),
              ElementsAre(Pair("format", "pt"), Pair("key", "a \"quoted\" value")));
  ASSERT_EQ(file.tensors().size(), 3U);
  const TensorView* w = file.Find("w");
  ASSERT_NE(w, nullptr);
  EXPECT_THAT(w->shape, ElementsAre(2, 3));
  EXPECT_TRUE(std::equal(w->bytes.begin(), w->bytes.end(), std::as_bytes(std::span(floats)).begin(),
                         std::as_bytes(std::span(floats)).end()));
  EXPECT_EQ(file.Find("h")->type, ElementType::kF16);
  EXPECT_THAT(FilesOf(folder), ElementsAre("a"));
}

TEST(WriteSafetensorsTest, EveryTensorIsAlignedAndTheOrderGivenDoesNotMatter) {
  const TempFolder folder;
  const std::string bytes(24, 'x');
  const auto of = [&bytes](std::size_t count) { return bytes.substr(0, count); };
  const std::string three = of(3);
  const std::string six = of(6);
  const std::string twelve = of(12);
  std::vector<TensorToWrite> tensors = {
      Tensor("a", ElementType::kU8, {3}, three), Tensor("b", ElementType::kF16, {3}, six),
      Tensor("c", ElementType::kF32, {3}, twelve), Tensor("d", ElementType::kI64, {3}, bytes),
      Tensor("e", ElementType::kF32, {3}, twelve)};
  WriteSafetensors(folder / "one", tensors);
  std::reverse(tensors.begin(), tensors.end());
  WriteSafetensors(folder / "two", tensors);
  EXPECT_EQ(ReadAll(folder / "one"), ReadAll(folder / "two"));
  const SafetensorsFile file(folder / "one");
  for (const TensorView& tensor : file.tensors()) {
    const auto address = reinterpret_cast<std::uintptr_t>(tensor.bytes.data());
    EXPECT_EQ(address % static_cast<std::uintptr_t>(LayoutOf(tensor.type).bytes), 0U)
        << tensor.name;
  }
}

TEST(WriteSafetensorsTest, BytesAreThoseOfTheFormat) {
  const TempFolder folder;
  const std::string data = "xyz";
  WriteSafetensors(folder / "a", {Tensor("w", ElementType::kU8, {3}, data)});
  const std::string header = R"({"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
  const std::string padded = header + std::string(56 - header.size(), ' ');
  EXPECT_EQ(ReadAll(folder / "a"), Bytes<std::uint64_t>(56) + padded + "xyz");
}

TEST(WriteSafetensorsTest, ReplacesAFileAndALeftoverPart) {
  const TempFolder folder;
  folder.Write("a", "old");
  folder.Write("a.part", std::string(1000, 'x'));
  WriteSafetensors(folder / "a", {});
  EXPECT_EQ(ReadAll(folder / "a"), Bytes<std::uint64_t>(8) + "{}      ");
  EXPECT_THAT(FilesOf(folder), ElementsAre("a"));
}

TEST(WriteSafetensorsTest, FullDiskLeavesTheOldFileAndNoPart) {
  const TempFolder folder;
  const std::string path = folder.Write("a", "old");
  const std::string data(100'000, 'x');
  const FileSizeLimit limit(5000);
  EXPECT_EQ(
      ErrorOf([&] { WriteSafetensors(path, {Tensor("w", ElementType::kU8, {100'000}, data)}); }),
      path + ": cannot write: File too large");
  EXPECT_EQ(ReadAll(path), "old");
  EXPECT_THAT(FilesOf(folder), ElementsAre("a"));
}

TEST(WriteSafetensorsTest, FolderThatCannotBeWrittenIsAnError) {
  const TempFolder folder;
  const std::string missing = folder / "none/a";
  EXPECT_EQ(ErrorOf([&] { WriteSafetensors(missing, {}); }),
            missing + ": cannot write: No such file or directory");
  ASSERT_EQ(::chmod(folder.path().c_str(), 0555), 0);
  const std::string path = folder / "a";
  {
    const NotRoot user;
    EXPECT_EQ(ErrorOf([&] { WriteSafetensors(path, {}); }),
              path + ": cannot write: Permission denied");
  }
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  EXPECT_TRUE(FilesOf(folder).empty());
}

TEST(WriteSafetensorsTest, FailedRenameRemovesThePart) {
  const TempFolder folder;
  const std::string path = folder / "a";
  ASSERT_TRUE(std::filesystem::create_directory(path));
  EXPECT_EQ(ErrorOf([&] { WriteSafetensors(path, {}); }), path + ": cannot write: Is a directory");
  EXPECT_THAT(FilesOf(folder), ElementsAre("a"));
}

TEST(WriteSafetensorsTest, NameThatIsNotUtf8IsAnError) {
  const TempFolder folder;
  const std::string path = folder / "a";
  EXPECT_EQ(ErrorOf([&] { WriteSafetensors(path, {Tensor("\xff", ElementType::kU8, {0}, "")}); }),
            path + ": cannot write: a tensor name or metadata is not UTF-8");
  EXPECT_TRUE(FilesOf(folder).empty());
}

TEST(WriteSafetensorsTest, TensorsThatDoNotFitAreAProgrammersError) {
  const TempFolder folder;
  const std::string data(18, 'x');
  const auto write = [&](const std::vector<TensorToWrite>& tensors) {
    WriteSafetensors(folder / "a", tensors);
  };
  const TensorToWrite good = Tensor("w", ElementType::kU8, {18}, data);
  EXPECT_THROW(write({good, good}), std::logic_error);
  EXPECT_THROW(write({Tensor("w", ElementType::kU8, {17}, data)}), std::logic_error);
  EXPECT_THROW(write({Tensor("w", ElementType::kQ4_0, {32}, data)}), std::logic_error);
  EXPECT_THROW(write({Tensor("__metadata__", ElementType::kU8, {18}, data)}), std::logic_error);
  EXPECT_TRUE(FilesOf(folder).empty());
}

}  // namespace
}  // namespace roundlab
