#include "core/text/tokenizer/bpe_trainer.h"

#include "core/text/tokenizer/tokenizer_json.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::BesideTests;
using testing::ErrorOf;
using testing::Ids;

TrainedBpe Train(const std::vector<std::string>& documents, std::int64_t vocab) {
  return TrainBpe(documents, {vocab});
}

// bpe_trainer.json: made by make_bpe_trainer.py with tokenizers 0.23.3.
TEST(BpeTrainerTest, MakesTheTokensMergesAndIdsOfTheLibrary) {
  const auto cases = testing::JsonLines(BesideTests("bpe_trainer.json")).front()["cases"];
  ASSERT_EQ(cases.size(), 4U);
  for (const auto& one : cases) {
    SCOPED_TRACE(one["name"].get<std::string>());
    const TrainedBpe bpe =
        Train(one["documents"].get<std::vector<std::string>>(), one["vocab"].get<int>());
    EXPECT_EQ(bpe.tokens, one["tokens"].get<std::vector<std::string>>());
    using Merges = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(bpe.merges, one["merges"].get<Merges>());
    const auto tokenizer = TokenizerFromJson(bpe.TokenizerJson(), "tokenizer.json");
    const auto probe = one["probe"].get<std::string>();
    EXPECT_EQ(testing::Plain(*tokenizer, probe), one["ids"].get<Ids>());
  }
}

TEST(BpeTrainerTest, EveryTextBeginsWithTheSpecialToken) {
  const auto tokenizer = TokenizerFromJson(Train({"ab ab"}, 258).TokenizerJson(), "tokenizer.json");
  EXPECT_EQ(testing::WithSpecial(*tokenizer, "ab").front(), 0);
  EXPECT_EQ(testing::WithSpecial(*tokenizer, "ab").size(), 2U);
  EXPECT_EQ(tokenizer->VocabSize(), 258);
  EXPECT_EQ(tokenizer->Decode(testing::Plain(*tokenizer, "caf\xc3\xa9 ab")), "caf\xc3\xa9 ab");
}

TEST(BpeTrainerTest, RejectsWhatItCannotTrainOn) {
  EXPECT_EQ(
      ErrorOf([] { Train({"a"}, 255); }),
      "a byte-level vocabulary has 257 tokens at least, one a byte and <|endoftext|>; got 255");
  EXPECT_EQ(ErrorOf([] { Train({"", ""}, 300); }), "no text to train a tokenizer on");
  EXPECT_EQ(ErrorOf([] { Train({"good", "\xff"}, 300); }).substr(0, 12), "document 2: ");
}

}  // namespace
}  // namespace roundlab
