// Reference ids under the shared folder: golden/tokens.jsonl (tokenizers 0.23.3, sentencepiece
// 0.2.3), the tokenization vectors of llama.cpp, and token counts of whole corpora.
#include <algorithm>
#include <map>
#include <sstream>

#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::Ids;
using testing::ReadAll;

TEST(GoldenTokensTest, AwkwardStringsHaveTheLibrariesIds) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/tokens.jsonl");
  std::map<std::string, std::vector<nlohmann::json>> by_tokenizer;
  for (nlohmann::json& line : testing::JsonLines(path)) {
    by_tokenizer[line["tokenizer"].get<std::string>()].push_back(line);
  }
  EXPECT_EQ(by_tokenizer.size(), 7U);
  for (const auto& [folder, lines] : by_tokenizer) {
    const auto tokenizer = LoadTokenizer(testing::SharedFolder() + "/" + folder);
    EXPECT_EQ(lines.size(), 42U);
    for (const nlohmann::json& line : lines) {
      const auto text = line["text"].get<std::string>();
      EXPECT_EQ(testing::Plain(*tokenizer, text), line["ids"].get<Ids>()) << folder << ": " << text;
    }
  }
}

struct Vectors {
  const char* tokenizer;
  const char* name;
};

class LlamaCppVectorsTest : public ::testing::TestWithParam<Vectors> {};

TEST_P(LlamaCppVectorsTest, AreMet) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "tokenizers");
  const auto tokenizer = LoadTokenizer(folder + "/" + GetParam().tokenizer);
  const std::string inputs = ReadAll(folder + "/" + GetParam().name + ".inp");
  std::istringstream outputs(ReadAll(folder + "/" + GetParam().name + ".out"));
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::size_t count = 0;
  for (std::size_t begin = 0; begin <= inputs.size(); ++count) {
    const std::size_t end = std::min(inputs.find(separator, begin), inputs.size());
    const std::string text = inputs.substr(begin, end - begin);
    begin = end == inputs.size() ? end + 1 : end + separator.size();
    std::string line;
    std::getline(outputs, line);
    std::istringstream numbers(line);
    Ids expected;
    for (std::int32_t id = 0; numbers >> id;) expected.push_back(id);
    EXPECT_EQ(testing::Plain(*tokenizer, text), expected) << text;
  }
  EXPECT_EQ(count, 47U);
}

INSTANTIATE_TEST_SUITE_P(All, LlamaCppVectorsTest,
                         ::testing::Values(Vectors{"gpt2", "gpt-2"},
                                           Vectors{"ggml-vocab-gpt-2.gguf", "gpt-2"},
                                           Vectors{"llama2", "llama-spm"},
                                           Vectors{"ggml-vocab-llama-spm.gguf", "llama-spm"},
                                           Vectors{"qwen2", "qwen2"}));

// golden/ppl.csv, column tokens_total of the rows "ptb-valid": stripped lines joined by a space.
std::string PtbText(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find_first_not_of(' ');
    const std::size_t last = line.find_last_not_of(' ');
    if (!text.empty()) text += ' ';
    text += line.substr(first, last - first + 1);
  }
  return text;
}

TEST(GoldenTokensTest, PennTreebankHasTheReferenceCounts) {
  ROUNDLAB_SHARED_OR_SKIP(path, "data/ptb/ptb.valid.txt");
  const std::string text = PtbText(path);
  ASSERT_EQ(text.size(), 393041U);
  const auto count = [&](const std::string& folder) {
    const auto tokenizer = LoadTokenizer(testing::SharedFolder() + "/" + folder);
    return testing::WithSpecial(*tokenizer, text).size();
  };
  EXPECT_EQ(count("models/TinyStories-656K"), 149336U);
  EXPECT_EQ(count("models/babyllama-tok105"), 393043U);
  EXPECT_EQ(count("models/stories260K"), 231948U);
  EXPECT_EQ(count("tokenizers/smollm2"), 86360U);
}

// WikiText-2 rows: one a line with its own newline, a blank line "", joined by two newlines.
TEST(GoldenTokensTest, WikiTextHasTheReferenceCounts) {
  ROUNDLAB_SHARED_OR_SKIP(path, "data/wikitext-2-raw/wiki.test.raw");
  std::ifstream file(path);
  std::string text;
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    if (rows > 0) text += "\n\n";
    if (line.find_first_not_of(' ') != std::string::npos) text += line + "\n";
  }
  ASSERT_EQ(rows, 4358U);
  const std::string shared = testing::SharedFolder();
  const auto stories = LoadTokenizer(shared + "/models/TinyStories-656K");
  EXPECT_EQ(testing::WithSpecial(*stories, text).size(), 560212U);
  const auto smollm = LoadTokenizer(shared + "/tokenizers/smollm2");
  EXPECT_EQ(testing::WithSpecial(*smollm, text).size(), 304978U);
  EXPECT_EQ(smollm->BosId(), 1);
  EXPECT_EQ(smollm->EosId(), 2);
  EXPECT_EQ(smollm->VocabSize(), 49152);
  EXPECT_EQ(smollm->Kind(), "byte-level bpe (tokenizer.json)");
}

}  // namespace
}  // namespace roundlab
