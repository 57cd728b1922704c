#include "core/text/tokenizer/tokenizer_json.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Ids;
using testing::Plain;

// A tokenizer.json of whole words, cut at white space; ids may have gaps.
nlohmann::json Words() {
  nlohmann::json document = testing::SmallDocument();
  document["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
  document["model"] = {{"type", "WordLevel"},
                       {"unk_token", "<unk>"},
                       {"vocab", {{"<unk>", 1}, {"C4", 2}, {"C", 3}, {"1m", 7}}}};
  document["added_tokens"].push_back(testing::SpecialToken(4, "<bos>"));
  return document;
}

TEST(WordLevelTest, WordsAreTokensOrUnknown) {
  const auto tokenizer = TokenizerFromJson(Words().dump(), "t.json");
  EXPECT_EQ(Plain(*tokenizer, "C4 C  1m\nC5 D <bos>C4C"), (Ids{2, 3, 7, 1, 1, 4, 1}));
  EXPECT_EQ(Plain(*tokenizer, "  "), Ids{});
  EXPECT_EQ(tokenizer->Decode({4, 2, 7}), "<bos> C4 1m");
  EXPECT_EQ(tokenizer->VocabSize(), 8);
  EXPECT_EQ(tokenizer->Kind(), "words (tokenizer.json)");
}

TEST(WordLevelTest, BytesOfAWordAreOneWordToo) {
  nlohmann::json document = Words();
  document["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  document["model"]["vocab"]["ĠC"] = 5;
  const auto tokenizer = TokenizerFromJson(document.dump(), "t.json");
  EXPECT_EQ(Plain(*tokenizer, "C C x"), (Ids{5, 5, 1}));
  EXPECT_EQ(tokenizer->Kind(), "byte-level words (tokenizer.json)");
}

TEST(WordLevelTest, AMissingUnknownTokenIsToldWhereItIsNeeded) {
  nlohmann::json document = Words();
  document["model"]["unk_token"] = "[UNK]";
  const auto tokenizer = TokenizerFromJson(document.dump(), "t.json");
  EXPECT_EQ(Plain(*tokenizer, "C"), Ids{3});
  EXPECT_EQ(ErrorOf([&] { Plain(*tokenizer, "C5"); }),
            "t.json: tokenizer.model: unk_token '[UNK]' is not in the vocabulary");
  document["model"].erase("unk_token");
  EXPECT_EQ(ErrorOf([&] { TokenizerFromJson(document.dump(), "t.json"); }),
            "t.json: tokenizer.model: missing 'unk_token'");
}

}  // namespace
}  // namespace roundlab
