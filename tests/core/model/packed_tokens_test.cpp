#include "core/model/packed_tokens.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "core/base/random.h"

namespace roundlab {
namespace {

using Ids = PackedTokens::Ids;
using Rows = std::vector<std::int64_t>;

/// Sequences of 1 to 12 tokens of an alphabet of three, so that many begin alike.
std::vector<Ids> Sequences(std::uint64_t seed) {
  PythonRandom random(seed);
  std::vector<Ids> sequences;
  for (int i = 0; i < 60; ++i) {
    auto& ids = sequences.emplace_back(1 + random.Below(12));
    for (auto& id : ids) id = static_cast<std::int32_t>(random.Below(3));
  }
  return sequences;
}

/// Rows that a row sees, itself last.
std::vector<Rows> Seen(const PackedTokens& packed) {
  std::vector<Rows> seen(static_cast<std::size_t>(packed.rows()));
  for (const Segment& segment : packed.Segments()) {
    Rows rows;
    for (const RowRange& range : segment.prefix) {
      for (std::int64_t i = 0; i < range.length; ++i) rows.push_back(range.begin + i);
    }
    for (std::int64_t i = 0; i < segment.own.length; ++i) {
      const std::int64_t row = segment.own.begin + i;
      rows.push_back(row);
      EXPECT_TRUE(seen[static_cast<std::size_t>(row)].empty()) << "a row of two segments";
      seen[static_cast<std::size_t>(row)] = rows;
    }
  }
  return seen;
}

TEST(PackedTokensTest, EachTokenSeesItsOwnTextAndEachStartIsKeptOnce) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<Ids> sequences = Sequences(seed);
    PackedTokens packed;
    std::vector<Rows> rows;
    std::set<Ids> starts;
    for (const Ids& ids : sequences) {
      rows.push_back(packed.Add(ids));
      for (auto end = ids.begin(); end != ids.end();) starts.insert(Ids(ids.begin(), ++end));
    }
    EXPECT_EQ(packed.rows(), static_cast<std::int64_t>(starts.size()));
    const std::vector<Rows> seen = Seen(packed);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      ASSERT_EQ(rows[i].size(), sequences[i].size());
      for (std::size_t t = 0; t < rows[i].size(); ++t) {
        const auto row = static_cast<std::size_t>(rows[i][t]);
        EXPECT_EQ(packed.ids()[row], sequences[i][t]);
        EXPECT_EQ(packed.positions()[row], static_cast<std::int64_t>(t));
        EXPECT_EQ(seen[row], Rows(rows[i].begin(), rows[i].begin() + static_cast<long>(t) + 1));
      }
    }
  }
}

TEST(PackedTokensTest, ContextAndChoices) {
  PackedTokens packed;
  EXPECT_EQ(packed.Add({5, 6, 7, 1}), (Rows{0, 1, 2, 3}));
  EXPECT_EQ(packed.Add({5, 6, 7, 2, 3}), (Rows{0, 1, 2, 4, 5}));
  EXPECT_EQ(packed.Add({5, 6}), (Rows{0, 1}));
  EXPECT_EQ(packed.Add({8}), (Rows{6}));
  EXPECT_EQ(packed.rows(), 7);
  EXPECT_EQ(packed.Segments().size(), 5U);
}

TEST(PackedTokensTest, EmptySequence) {
  PackedTokens packed;
  EXPECT_THROW(packed.Add({}), std::logic_error);
}

}  // namespace
}  // namespace roundlab
