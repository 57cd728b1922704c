// Reference ids under the shared folder: golden/tokens.jsonl (tokenizers 0.23.3, sentencepiece
// 0.2.3), the tokenization vectors of llama.cpp, and token counts of whole corpora.
#include <algorithm>
#include <map>
#include <sstream>

#include "core/text/tokenizer/load_tokenizer.h"
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
  EXPECT_FALSE(by_tokenizer.empty());
  for (const auto& [folder, lines] : by_tokenizer) {
    const auto tokenizer = LoadTokenizer(testing::SharedFolder() + "/" + folder);
    for (const nlohmann::json& line : lines) {
      const auto text = line["text"].get<std::string>();
      EXPECT_EQ(testing::Plain(*tokenizer, text), line["ids"].get<Ids>()) << folder << ": " << text;
    }
  }
}

/// "ggml-vocab-gpt-2.gguf", "gpt-2" and "gpt2" -> "gpt2".
std::string Bare(std::string name) {
  for (const std::string part : {"ggml-vocab-", ".gguf", "-", "_", "."}) {
    for (auto at = name.find(part); at != std::string::npos; at = name.find(part)) {
      name.erase(at, part.size());
    }
  }
  return name;
}

/// Whether a tokenizer goes with the vectors called `name`: both are called alike, or the vectors'
/// name is the family's with the tokenizer's kind ("llama-spm", "llama-bpe") and the tokenizer's
/// is the family's with a number ("llama2").
bool GoTogether(const std::string& file, const Tokenizer& tokenizer, const std::string& name) {
  const std::string vectors = Bare(name);
  std::string family = Bare(file);
  if (family == vectors) return true;
  while (!family.empty() && family.back() >= '0' && family.back() <= '9') family.pop_back();
  const bool pieces = tokenizer.Kind().starts_with("sentencepiece");
  return vectors == family + (pieces ? "spm" : "bpe");
}

void ExpectVectors(const Tokenizer& tokenizer, const std::string& inputs_and_outputs) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  const std::string inputs = ReadAll(inputs_and_outputs + ".inp");
  std::istringstream outputs(ReadAll(inputs_and_outputs + ".out"));
  for (std::size_t begin = 0; begin <= inputs.size();) {
    const std::size_t end = std::min(inputs.find(separator, begin), inputs.size());
    const std::string text = inputs.substr(begin, end - begin);
    begin = end == inputs.size() ? end + 1 : end + separator.size();
    std::string line;
    std::getline(outputs, line);  // of the last, which is empty, there may be none
    std::istringstream numbers(line);
    Ids expected;
    for (std::int32_t id = 0; numbers >> id;) expected.push_back(id);
    EXPECT_EQ(testing::Plain(tokenizer, text), expected) << text;
  }
}

TEST(GoldenTokensTest, LlamaCppVectorsAreMet) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "tokenizers");
  namespace fs = std::filesystem;
  std::size_t pairs = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (!file.is_directory() && file.path().extension() != ".gguf") continue;
    const auto tokenizer = LoadTokenizer(file.path().string());
    for (const auto& vectors : fs::directory_iterator(folder)) {
      const std::string name = vectors.path().stem().string();
      if (vectors.path().extension() != ".inp") continue;
      if (!GoTogether(file.path().filename().string(), *tokenizer, name)) continue;
      SCOPED_TRACE(file.path().string() + " with " + name);
      ExpectVectors(*tokenizer, folder + "/" + name);
      ++pairs;
    }
  }
  EXPECT_GT(pairs, 0U);
}

// Folders and texts with special tokens in them; where versions of transformers differ, the newer.
TEST(GoldenTokensTest, SpecialTokensInTextAreFound) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "cases/sentencepiece_special_tokens");
  const auto expected = nlohmann::json::parse(ReadAll(folder + "/expected.json"));
  for (const nlohmann::json& one : expected["cases"]) {
    const auto tokenizer = LoadTokenizer(folder + "/" + one["folder"].get<std::string>());
    const auto text = one["text"].get<std::string>();
    std::string newest = "ids";
    for (const auto& [key, value] : one.items()) {
      if (key.starts_with("ids_transformers_5")) newest = key;
    }
    EXPECT_EQ(testing::WithSpecial(*tokenizer, text), one[newest].get<Ids>())
        << one["folder"] << ": " << text;
  }
}

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
