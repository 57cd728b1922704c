// unigram_cases.jsonl: tokenizer.json documents with a Unigram model and the ids of the Hugging
// Face library, made by make_unigram_cases.py with tokenizers 0.23.3.
#include "core/text/tokenizer/tokenizer_json.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::Ids;

TEST(UnigramCasesTest, EncodeAndDecodeAsTheLibrary) {
  const auto cases = testing::JsonLines(testing::BesideTests("unigram_cases.jsonl"));
  EXPECT_EQ(cases.size(), 8U);
  for (const nlohmann::json& one : cases) {
    const auto name = one["name"].get<std::string>();
    const auto tokenizer = TokenizerFromJson(one["tokenizer"].get<std::string>(), name);
    EXPECT_EQ(tokenizer->Kind(), "unigram (tokenizer.json)");
    for (std::size_t i = 0; i < one["texts"].size(); ++i) {
      const auto text = one["texts"][i].get<std::string>();
      const Ids plain = testing::Plain(*tokenizer, text);
      EXPECT_EQ(plain, one["ids"][i].get<Ids>()) << name << ": " << text;
      EXPECT_EQ(testing::WithSpecial(*tokenizer, text), one["special"][i].get<Ids>())
          << name << ": " << text;
      EXPECT_EQ(tokenizer->Decode(plain), one["decoded"][i].get<std::string>())
          << name << ": " << text;
    }
  }
}

}  // namespace
}  // namespace roundlab
