#include "core/formats/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string_view>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

std::string_view Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFileTest, HasTheWholeFile) {
  const TempFolder folder;
  const MappedFile file(folder.Write("a", "hello"));
  EXPECT_EQ(Text(file), "hello");
  EXPECT_EQ(file.path(), folder / "a");
}

TEST(MappedFileTest, EmptyFileIsEmpty) {
  const TempFolder folder;
  EXPECT_TRUE(MappedFile(folder.Write("a", "")).bytes().empty());
}

TEST(MappedFileTest, MovingKeepsTheBytesWhereTheyAre) {
  const TempFolder folder;
  MappedFile first(folder.Write("a", "hello"));
  const std::byte* data = first.bytes().data();
  MappedFile second(std::move(first));
  EXPECT_EQ(second.bytes().data(), data);
  MappedFile third(folder.Write("b", "other"));
  third = std::move(second);
  EXPECT_EQ(third.bytes().data(), data);
  EXPECT_EQ(Text(third), "hello");
  EXPECT_EQ(third.path(), folder / "a");
}

TEST(MappedFileTest, WhatIsNoFileIsAnError) {
  const TempFolder folder;
  const std::string missing = folder / "none";
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(ErrorOf([&] { MappedFile file(missing); }),
            missing + ": cannot open: No such file or directory");
  EXPECT_EQ(ErrorOf([&] { MappedFile file(folder.path()); }),
            folder.path() + ": cannot open: Is a directory");
  EXPECT_EQ(ErrorOf([&] { MappedFile file(pipe); }), pipe + ": cannot open: not a regular file");
}

}  // namespace
}  // namespace roundlab
