#include "eval/windows.h"

#include <gtest/gtest.h>

#include <numeric>

namespace roundlab {
namespace {

using Ids = std::vector<std::int32_t>;
/// begin, length, scored, document of each window.
using Places = std::vector<std::vector<std::int64_t>>;

Ids Count(std::int32_t tokens) {
  Ids ids(static_cast<std::size_t>(tokens));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

Places PlacesOf(const TokenWindows& windows) {
  Places places;
  for (const TokenWindow& w : windows.list) {
    places.push_back({w.begin, w.length, w.scored, w.document});
  }
  return places;
}

/// How often each token of the stream is scored.
std::vector<int> Scored(const TokenWindows& windows) {
  std::vector<int> times(windows.ids.size());
  for (const TokenWindow& w : windows.list) {
    for (std::int64_t i = w.length - w.scored; i < w.length; ++i) {
      ++times[static_cast<std::size_t>(w.begin + i)];
    }
  }
  return times;
}

TEST(WindowsTest, DisjointOnesDropTheRestAndScoreAllButTheFirstToken) {
  const TokenWindows windows = DisjointWindows(Count(11), 4);
  EXPECT_EQ(PlacesOf(windows), (Places{{0, 4, 3, 0}, {4, 4, 3, 0}}));
  EXPECT_EQ(windows.ids, Count(11));
  EXPECT_TRUE(DisjointWindows(Count(3), 4).list.empty());
}

TEST(WindowsTest, SlidingOnesEndWithTheTextAndScoreEachTokenOnce) {
  EXPECT_EQ(PlacesOf(SlidingWindows(Count(9), 4, 2)),
            (Places{{0, 4, 3, 0}, {2, 4, 2, 0}, {4, 4, 2, 0}, {6, 3, 1, 0}}));
  // The text ends where a window does: none after it.
  EXPECT_EQ(PlacesOf(SlidingWindows(Count(8), 4, 2)),
            (Places{{0, 4, 3, 0}, {2, 4, 2, 0}, {4, 4, 2, 0}}));
  EXPECT_EQ(PlacesOf(SlidingWindows(Count(3), 4, 2)), (Places{{0, 3, 2, 0}}));
  EXPECT_TRUE(SlidingWindows(Count(1), 4, 2).list.empty());
  for (std::int32_t tokens = 2; tokens < 30; ++tokens) {
    for (std::int64_t stride = 1; stride < 5; ++stride) {
      std::vector<int> once(static_cast<std::size_t>(tokens), 1);
      once[0] = 0;
      EXPECT_EQ(Scored(SlidingWindows(Count(tokens), 5, stride)), once) << tokens << " " << stride;
    }
  }
}

TEST(WindowsTest, SlidingByAWholeWindowCannotScoreFirstTokens) {
  EXPECT_EQ(PlacesOf(SlidingWindows(Count(9), 4, 4)), (Places{{0, 4, 3, 0}, {4, 4, 3, 0}}));
}

// llama.cpp takes logits from n_ctx / 2 on and predicts the token after each: 255 of 512.
TEST(WindowsTest, SecondHalfBeginsAfterTheMiddleToken) {
  const TokenWindows windows = SecondHalfWindows(Count(1500), 512, 7);
  EXPECT_EQ(PlacesOf(windows), (Places{{0, 512, 255, 0}, {512, 512, 255, 0}}));
  EXPECT_EQ(windows.first, 7);
  const std::vector<int> scored = Scored(windows);
  EXPECT_EQ(scored[256], 0);
  EXPECT_EQ(scored[257], 1);
  EXPECT_EQ(scored[511], 1);
  EXPECT_EQ(PlacesOf(SecondHalfWindows(Count(7), 7, std::nullopt)), (Places{{0, 7, 3, 0}}));
}

// The example of lm-evaluation-harness: ten tokens, four a window; inputs EOT 0 1 2 | 3 4 5 6 |
// 5 6 7 8, predictions 0 1 2 3 | 4 5 6 7 | 8 9. Here the prefix is token 0 of the stream.
TEST(WindowsTest, RollingOnesAreThoseOfTheHarness) {
  const TokenWindows windows = RollingWindows({Count(10)}, 99, 4);
  EXPECT_EQ(PlacesOf(windows), (Places{{0, 5, 4, 0}, {4, 5, 4, 0}, {6, 5, 2, 0}}));
  EXPECT_EQ(windows.ids, (Ids{99, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(WindowsTest, RollingDocumentsAreApartAndEachHasItsPrefix) {
  const TokenWindows windows = RollingWindows({{1, 2}, {}, {3, 4, 5, 6, 7}, {8}}, 99, 3);
  EXPECT_EQ(windows.ids, (Ids{99, 1, 2, 99, 99, 3, 4, 5, 6, 7, 99, 8}));
  EXPECT_EQ(PlacesOf(windows), (Places{{0, 3, 2, 0}, {4, 4, 3, 2}, {6, 4, 2, 2}, {10, 2, 1, 3}}));
  for (std::int32_t tokens = 1; tokens < 30; ++tokens) {
    std::vector<int> once(static_cast<std::size_t>(tokens) + 1, 1);
    once[0] = 0;
    EXPECT_EQ(Scored(RollingWindows({Count(tokens)}, 99, 7)), once) << tokens;
  }
}

TEST(WindowsTest, ContextIsWhatStandsBeforeAScoredTokenInItsWindow) {
  const ContextSeen all = ContextOf(DisjointWindows(Count(8), 4).list);
  EXPECT_EQ(all.least, 1);
  EXPECT_DOUBLE_EQ(all.mean, 2);
  // Three tokens after 1, 2, 3 others, two after 2 and 3.
  const ContextSeen sliding = ContextOf(SlidingWindows(Count(6), 4, 2).list);
  EXPECT_EQ(sliding.least, 1);
  EXPECT_DOUBLE_EQ(sliding.mean, 11.0 / 5);
  const ContextSeen half = ContextOf(SecondHalfWindows(Count(512), 512, 1).list);
  EXPECT_EQ(half.least, 257);
  EXPECT_DOUBLE_EQ(half.mean, 384);
}

}  // namespace
}  // namespace roundlab
