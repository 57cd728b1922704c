// tokenizer_cases.jsonl, family_cases.jsonl: tokenizer.json documents and the ids of the Hugging
// Face library, made by make_tokenizer_cases.py and make_family_cases.py with tokenizers 0.23.3.
#include "core/text/tokenizer/tokenizer_json.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::BesideTests;
using testing::Ids;
using testing::JsonLines;

const std::vector<nlohmann::json>& Cases() {
  static const std::vector<nlohmann::json> kCases = [] {
    std::vector<nlohmann::json> cases = JsonLines(BesideTests("tokenizer_cases.jsonl"));
    for (nlohmann::json& one : JsonLines(BesideTests("family_cases.jsonl"))) {
      cases.push_back(std::move(one));
    }
    return cases;
  }();
  return kCases;
}

class TokenizerCasesTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(TokenizerCasesTest, EncodesAndDecodesAsTheLibrary) {
  const nlohmann::json& one = Cases()[GetParam()];
  const auto tokenizer =
      TokenizerFromJson(one["tokenizer"].get<std::string>(), one["name"].get<std::string>());
  for (std::size_t i = 0; i < one["texts"].size(); ++i) {
    const auto text = one["texts"][i].get<std::string>();
    const Ids plain = testing::Plain(*tokenizer, text);
    EXPECT_EQ(plain, one["ids"][i].get<Ids>()) << text;
    EXPECT_EQ(testing::WithSpecial(*tokenizer, text), one["special"][i].get<Ids>()) << text;
    EXPECT_EQ(tokenizer->Decode(plain), one["decoded"][i].get<std::string>()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerCasesTest, ::testing::Range<std::size_t>(0, Cases().size()),
                         [](const auto& given) {
                           return Cases()[given.param]["name"].template get<std::string>() + "_" +
                                  std::to_string(given.param);
                         });

TEST(TokenizerCasesTest, AllCasesAreRun) { EXPECT_EQ(Cases().size(), 43U); }

}  // namespace
}  // namespace roundlab
