#include "core/text/tokenizer/bpe.h"

#include <algorithm>
#include <random>

#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Ids;

Ids Text(const Bpe& bpe, std::string_view word) {
  Ids ids;
  bpe.EncodeText(word, &ids);
  return ids;
}

// The definition: find the pair of lowest rank, the leftmost of those, merge it, again.
void MergeByDefinition(const PairTable& merges, Ids* ids) {
  for (;;) {
    const Merge* best = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < ids->size(); ++i) {
      const Merge* merge = merges.Find((*ids)[i], (*ids)[i + 1]);
      if (merge == nullptr || (best != nullptr && merge->rank >= best->rank)) continue;
      best = merge;
      at = i;
    }
    if (best == nullptr) return;
    (*ids)[at] = best->id;
    ids->erase(ids->begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(BpeTest, MergesAsDefinedForEveryLengthAndAnyOrderOfRanks) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    // Tokens 0 to 3 are letters, every later one joins two earlier ones; ranks are shuffled.
    std::vector<std::uint32_t> ranks(24);
    for (std::uint32_t i = 0; i < ranks.size(); ++i) ranks[i] = i;
    std::shuffle(ranks.begin(), ranks.end(), random);
    PairTable merges(ranks.size());
    for (std::int32_t token = 4; token < 28; ++token) {
      std::uniform_int_distribution<std::int32_t> earlier(0, token - 1);
      const std::int32_t left = earlier(random);
      const std::int32_t right = earlier(random);
      if (merges.Find(left, right) != nullptr) continue;
      merges.Insert(left, right, {ranks[static_cast<std::size_t>(token) - 4], token});
    }
    Ids ids(static_cast<std::size_t>(round));
    for (std::int32_t& id : ids) id = std::uniform_int_distribution<std::int32_t>(0, 3)(random);
    Ids expected = ids;
    MergeByDefinition(merges, &expected);
    MergeAll(merges, &ids);
    ASSERT_EQ(ids, expected) << round << " symbols";
  }
}

TEST(BpeTest, InLongRunsMergesThatMakePairsOfLowerRankCostNoMore) {
  PairTable merges(2);
  merges.Insert(0, 0, {1, 1});
  merges.Insert(1, 0, {0, 2});  // comes before the rest of the run
  Ids ids(1200000, 0);
  MergeAll(merges, &ids);
  EXPECT_EQ(ids, Ids(400000, 2));
}

TEST(BpeTest, ALaterMergeOfTheSamePairCounts) {
  const Bpe bpe({{"a", 0}, {"b", 1}, {"c", 2}, {"ab", 3}, {"bc", 4}},
                {{"a", "b"}, {"b", "c"}, {"a", "b"}}, {});
  EXPECT_EQ(Text(bpe, "abc"), (Ids{0, 4}));  // rank 2 of "a b", not 0
}

TEST(BpeTest, IgnoreMergesTakesAWholeWord) {
  const Vocabulary vocabulary = {{"a", 0}, {"b", 1}, {"ab", 2}, {"aba", 3}};
  EXPECT_EQ(Text(Bpe(vocabulary, {{"a", "b"}}, {}), "aba"), (Ids{2, 0}));
  BpeOptions options;
  options.ignore_merges = true;
  const Bpe bpe(vocabulary, {{"a", "b"}}, options);
  EXPECT_EQ(Text(bpe, "aba"), (Ids{3}));
  Ids ids;
  bpe.EncodeBytes("aba", &ids);
  EXPECT_EQ(ids, (Ids{3}));
}

TEST(BpeTest, UnknownCharactersFuseFallBackOrVanish) {
  const Vocabulary vocabulary = {{"<unk>", 0}, {"a", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}};
  BpeOptions options;
  EXPECT_EQ(Text(Bpe(vocabulary, {}, options), "xax"), (Ids{1}));
  options.unk_token = "<unk>";
  EXPECT_EQ(Text(Bpe(vocabulary, {}, options), "xyax"), (Ids{0, 0, 1, 0}));
  options.fuse_unk = true;
  EXPECT_EQ(Text(Bpe(vocabulary, {}, options), "xyax"), (Ids{0, 1, 0}));
  options.byte_fallback = true;
  // The unknown token waits for the next known character, as in the library.
  EXPECT_EQ(Text(Bpe(vocabulary, {}, options), "x\xC3\xA9 a"), (Ids{2, 3, 0, 1}));
}

TEST(BpeTest, WrongVocabulariesAreErrors) {
  EXPECT_EQ(ErrorOf([] {
              Bpe({{"a", 0}}, {{"a", "b"}}, {});
            }),
            "token 'b' of a merge is not in the vocabulary");
  EXPECT_EQ(ErrorOf([] {
              Bpe({{"a", 0}, {"b", 1}}, {{"a", "b"}}, {});
            }),
            "token 'ab' of a merge is not in the vocabulary");
  EXPECT_EQ(ErrorOf([] { Bpe({{"a", -1}}, {}, {}); }), "token 'a' has the negative id -1");
  BpeOptions options;
  options.unk_token = "<unk>";
  EXPECT_EQ(ErrorOf([&] {
              Text(Bpe({{"a", 0}}, {}, options), "b");
            }),
            "unk_token '<unk>' is not in the vocabulary");
}

}  // namespace
}  // namespace roundlab
