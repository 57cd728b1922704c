#include "core/base/content_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::TempFolder;

TEST(ContentCacheTest, FindsWhatWasKeptUnderTheSameKey) {
  const TempFolder folder;
  const ContentCache cache(folder / "c");
  EXPECT_FALSE(cache.Find("a"));
  EXPECT_FALSE(cache.Has("a"));
  const std::string bytes("x\0y", 3);
  cache.Keep("a", bytes);
  EXPECT_EQ(ContentCache(folder / "c").Find("a"), bytes);
  EXPECT_FALSE(cache.Find("b"));
  EXPECT_TRUE(cache.Has("a"));
  EXPECT_FALSE(cache.Has("b"));
}

TEST(ContentCacheTest, ABrokenFileIsNotThere) {
  const TempFolder folder;
  const ContentCache cache(folder / "c");
  cache.Keep("a", "some bytes");
  for (const auto& entry : std::filesystem::directory_iterator(folder / "c")) {
    std::ofstream(entry.path(), std::ios::in | std::ios::out).seekp(70) << "!";
  }
  EXPECT_FALSE(cache.Find("a"));
  cache.Keep("a", "some bytes");
  EXPECT_EQ(cache.Find("a"), "some bytes");
}

TEST(ContentCacheTest, KeepsNothingWithoutAFolder) {
  const ContentCache cache("");
  cache.Keep("a", "x");
  EXPECT_FALSE(cache.Find("a"));
  EXPECT_FALSE(cache.Has("a"));
}

}  // namespace
}  // namespace roundlab
