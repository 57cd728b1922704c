#include "core/text/tokenizer/tiktoken.h"

#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::BesideTests;
using testing::ErrorOf;
using testing::Ids;
using testing::Plain;
using testing::TempFolder;

// tiktoken_cases.jsonl: what tiktoken 0.14.0 reads with the files of tiktoken/, made by
// make_tiktoken_cases.py.
TEST(TiktokenTest, EncodesAsTiktoken) {
  const auto cases = testing::JsonLines(BesideTests("tiktoken_cases.jsonl"));
  EXPECT_EQ(cases.size(), 2U);
  for (const nlohmann::json& one : cases) {
    const TempFolder folder;
    const auto name = one["name"].get<std::string>();
    folder.Write(name, testing::ReadAll(BesideTests("tiktoken/" + name)));
    const auto tokenizer = LoadTokenizer(folder.path());
    const auto bos = one["bos"].get<std::int32_t>();
    EXPECT_EQ(tokenizer->BosId(), bos);
    EXPECT_EQ(tokenizer->EosId(), bos + 1);
    for (std::size_t i = 0; i < one["texts"].size(); ++i) {
      const auto text = one["texts"][i].get<std::string>();
      Ids ids = one["ids"][i].get<Ids>();
      EXPECT_EQ(Plain(*tokenizer, text), ids) << name << ": '" << text << "'";
      EXPECT_EQ(tokenizer->Decode(ids), text);
      ids.insert(ids.begin(), bos);
      EXPECT_EQ(testing::WithSpecial(*tokenizer, text), ids);
    }
  }
}

std::string SmallTiktoken() { return testing::ReadAll(BesideTests("tiktoken/tokenizer.model")); }

TEST(TiktokenTest, TheFilesBesideItNumberAndNameItsSpecialTokens) {
  const TempFolder folder;
  folder.Write("tokenizer.model", SmallTiktoken());
  const auto words = LoadTokenizer(folder.path())->VocabSize() - 256;
  const std::string first = std::to_string(words);
  folder.Write("tokenizer_config.json",
               R"({"bos_token": "<b>", "add_eos_token": false, "added_tokens_decoder": {")" +
                   first + R"(": {"content": "<b>", "special": true}}})");
  const auto tokenizer = LoadTokenizer(folder.path());
  EXPECT_EQ(tokenizer->VocabSize(), words + 1);
  EXPECT_EQ(tokenizer->BosId(), words);
  EXPECT_EQ(tokenizer->EosId(), std::nullopt);
  EXPECT_EQ(Plain(*tokenizer, "<b>").size(), 1U);
  EXPECT_EQ(tokenizer->Kind(), "byte-level bpe (tokenizer.model, tiktoken)");
}

TEST(TiktokenTest, MistakesAreNamed) {
  const auto lines = [](const std::string& text) {
    return ErrorOf([&] { TokenizerFromTiktoken(text, "t.model", {}); });
  };
  EXPECT_EQ(lines("YQ== 0\nYQ== 1\n"), "t.model: the token of rank 1 is there twice");
  EXPECT_EQ(lines("YQ== 0\nYg== 0\n"), "t.model: rank 0 is there twice");
  EXPECT_EQ(lines("YQ== 0\nYg= 1\n"), "t.model:2: expected 'base64 rank', got 'Yg= 1'");
  EXPECT_EQ(lines("YQ== 0\n\nYg== x\n"), "t.model:3: expected 'base64 rank', got 'Yg== x'");
  EXPECT_EQ(lines("YQ== 0\n"), "t.model: no token of the single byte 0");
  const auto tekken = [](const std::string& text) {
    return ErrorOf([&] { TokenizerFromTekken(text, "t.json", {}); });
  };
  EXPECT_EQ(tekken("{}"), "t.json: tekken: missing 'special_tokens'");
  EXPECT_EQ(tekken(R"({"special_tokens": [{"rank": 1, "token_str": "<s>"}]})"),
            "t.json: tekken.special_tokens: no token of rank 0");
  const std::string special = R"("special_tokens": [{"rank": 0, "token_str": "<s>"}])";
  EXPECT_EQ(tekken("{" + special + R"(, "config": {}, "vocab": [{"token_bytes": "a"}]})"),
            "t.json: tekken.vocab[0].token_bytes: expected base64, got 'a'");
  EXPECT_EQ(tekken("{" + special + R"(, "config": {"default_vocab_size": 0}, "vocab": []})"),
            "t.json: tekken.config.default_vocab_size: fewer than the 1 special tokens");
}

}  // namespace
}  // namespace roundlab
