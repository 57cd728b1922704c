// sentencepiece_cases.jsonl: folders of a tokenizer.model with the files beside it and the ids that
// transformers 5.23.0 reads with them, made by make_sentencepiece_cases.py.
#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::BesideTests;
using testing::Ids;
using testing::JsonLines;

const std::vector<nlohmann::json>& SentencePieceCases() {
  static const std::vector<nlohmann::json> kCases =
      JsonLines(BesideTests("sentencepiece_cases.jsonl"));
  return kCases;
}

class SentencePieceCasesTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(SentencePieceCasesTest, EncodesAsTransformers) {
  const nlohmann::json& one = SentencePieceCases()[GetParam()];
  const testing::TempFolder folder;
  const auto model = one["model"].get<std::string>();
  folder.Write("tokenizer.model",
               testing::ReadAll(BesideTests("sentencepiece/" + model + ".model")));
  for (const auto& [name, content] : one["files"].items()) {
    folder.Write(name + ".json", content.dump());
  }
  const auto tokenizer = LoadTokenizer(folder.path());
  for (std::size_t i = 0; i < one["texts"].size(); ++i) {
    const auto text = one["texts"][i].get<std::string>();
    EXPECT_EQ(testing::WithSpecial(*tokenizer, text), one["ids"][i].get<Ids>())
        << "'" << text << "' by " << model << " with " << one["files"];
  }
}

INSTANTIATE_TEST_SUITE_P(All, SentencePieceCasesTest,
                         ::testing::Range<std::size_t>(0, SentencePieceCases().size()));

}  // namespace
}  // namespace roundlab
