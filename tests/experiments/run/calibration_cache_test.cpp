#include "experiments/run/calibration_cache.h"

#include <gtest/gtest.h>

#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::TempFolder;

/// A folder's vocabulary of bytes as GPT-2 spells them, its text, and what was kept of it.
class CalibrationCacheTest : public ::testing::Test {
 protected:
  CalibrationCacheTest() {
    folder_.Write("vocab.json", R"({"a": 0, "b": 1, "c": 2, "<": 3, ">": 4, "<c>": 5})");
    folder_.Write("merges.txt", "");
    options_.data.path = folder_.Write("data.txt", "ab<c>ab<c>ab<c>");
    options_.protocol = CalibrationProtocol::kPlain;
    options_.samples = 1;
    options_.seqlen = 5;
  }

  std::vector<std::int32_t> Row() const {
    const ContentCache cache(folder_ / "cache");
    const auto tokenizer = LoadTokenizer(folder_.path());
    const std::string files = ModelFilesSha256(folder_.path());
    return CachedCalibration(options_, *tokenizer, files, cache).rows.front();
  }

  const TempFolder folder_;
  CalibrationOptions options_;
};

TEST_F(CalibrationCacheTest, EveryFileThatChangesTheTokensChangesTheKey) {
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(Row(), (Ids{0, 1, 3, 2, 4}));
  EXPECT_EQ(Row(), (Ids{0, 1, 3, 2, 4}));
  folder_.Write("added_tokens.json", R"({"<c>": 5})");
  EXPECT_EQ(Row(), (Ids{0, 1, 5, 0, 1}));
  folder_.Write("special_tokens_map.json", R"({"pad_token": "ab"})");
  EXPECT_EQ(Row(), (Ids{6, 5, 6, 5, 6}));
  folder_.Write("tokenizer_config.json", R"({"bos_token": "a", "add_bos_token": true})");
  EXPECT_EQ(Row(), (Ids{0, 6, 5, 6, 5}));
  folder_.Write("data.txt", "abcabcabc");
  EXPECT_EQ(Row(), (Ids{0, 6, 2, 6, 2}));
}

}  // namespace
}  // namespace roundlab
