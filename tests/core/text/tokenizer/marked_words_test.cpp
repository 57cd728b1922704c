#include <sentencepiece_processor.h>

#include <random>

#include "core/text/tokenizer/bpe.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "core/text/tokenizer/space_mark.h"
#include "core/text/tokenizer/spm.h"
#include "core/text/tokenizer/word_tokenizer.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::Ids;
using testing::Plain;

std::string RandomText(const std::vector<std::string>& alphabet, std::mt19937* random) {
  std::string text;
  for (std::size_t length = (*random)() % 24; length > 0; --length) {
    text += alphabet[(*random)() % alphabet.size()];
  }
  return text;
}

TEST(MarkedWordsTest, AWordBeginsAtAMarkBehindAnotherCharacter) {
  const std::string mark(kSpaceMark);
  std::vector<std::string> words;
  ForEachMarkedWord(mark + mark + "a" + mark + "b" + mark + mark,
                    [&](std::string_view word) { words.emplace_back(word); });
  EXPECT_EQ(words, (std::vector<std::string>{mark + mark + "a", mark + "b", mark + mark}));
  EXPECT_EQ(NextMarkedWord(mark + mark), std::string_view::npos);
}

// The library reads the text in whole; tokenizer.model is read word by word, and the same pieces in
// a GGUF file by our own merging.
TEST(MarkedWordsTest, SentencepieceModelsGiveTheIdsOfTheWholeText) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "tokenizers/llama2");
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.Load(folder + "/tokenizer.model").ok());
  const auto ours = LoadTokenizer(folder);
  const auto gguf =
      LoadTokenizer(testing::SharedFolder() + "/tokenizers/ggml-vocab-llama-spm.gguf");
  const std::vector<std::string> alphabet = {
      " ",       " ",      "  ",         "    ",   "a",      "the",  "is",     "ing",
      ".",       ",",      "\n",         "\t",     "1",      "2024", "\u00E9", "\u2581",
      "\u2581a", "\u4E2D", "\U0001F600", "\u0301", "\u00A0", "<s>",  "'s",     "xq"};
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = RandomText(alphabet, &random);
    std::vector<int> whole;
    ASSERT_TRUE(library.Encode(text, &whole).ok());
    whole.insert(whole.begin(), 1);  // BOS
    ASSERT_EQ(ours->Encode(text, SpecialTokens::kUnread), whole) << "'" << text << "'";
    ASSERT_EQ(gguf->Encode(text, SpecialTokens::kUnread), whole) << "'" << text << "'";
  }
}

TEST(MarkedWordsTest, MergesGiveTheIdsOfTheWholeText) {
  const std::string mark(kSpaceMark);
  Vocabulary vocabulary;
  for (const std::string& token :
       std::vector<std::string>{"<unk>", mark, "a", "b", mark + mark, mark + "a", "ab", mark + "ab",
                                "aa", mark + "aa"}) {
    vocabulary.emplace(token, static_cast<std::int32_t>(vocabulary.size()));
  }
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"a", "b"}, {mark, mark}, {mark, "a"}, {"a", "a"}, {mark, "ab"}, {mark, "aa"}};
  BpeOptions options;
  options.unk_token = "<unk>";
  options.fuse_unk = true;
  const Bpe whole(vocabulary, merges, options);
  EXPECT_TRUE(whole.SplitsIntoMarkedWords());
  WordTokenizerParts parts;
  parts.model = std::make_unique<Bpe>(vocabulary, merges, options);
  const WordTokenizer tokenizer(std::move(parts));
  std::mt19937 random(12);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = RandomText({mark, mark, "a", "a", "b", "x"}, &random);
    Ids expected;
    whole.EncodeText(text, &expected);
    ASSERT_EQ(Plain(tokenizer, text), expected) << "'" << text << "'";
  }
}

TEST(MarkedWordsTest, APieceThatHoldsTwoWordsKeepsTheTextWhole) {
  const std::string mark(kSpaceMark);
  const std::vector<SpmPiece> pieces = {{"<unk>", 0, PieceType::kUnknown},
                                        {mark, -9},
                                        {"a", -9},
                                        {"b", -9},
                                        {mark + "b", -3},
                                        {"a" + mark + "b", -2}};
  Ids ids;
  SpmModel(pieces).Encode("a" + mark + "b", &ids);
  EXPECT_EQ(ids, (Ids{5}));
  Vocabulary vocabulary = {{mark, 0}, {"a", 1}, {"a" + mark, 2}};
  EXPECT_FALSE(Bpe(vocabulary, {{"a", mark}}, {}).SplitsIntoMarkedWords());
  BpeOptions whole_words;
  whole_words.ignore_merges = true;  // it is the whole text that is looked up first
  const Vocabulary words = {{"a", 0}, {mark, 1}, {mark + "a", 2}};
  EXPECT_TRUE(Bpe(words, {}, {}).SplitsIntoMarkedWords());
  EXPECT_FALSE(Bpe(words, {}, whole_words).SplitsIntoMarkedWords());
}

}  // namespace
}  // namespace roundlab
