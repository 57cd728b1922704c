// Reference ids under the shared folder: golden/tokens.jsonl (tokenizers 0.23.3, sentencepiece
// 0.2.3), the tokenization vectors of llama.cpp, and token counts of whole corpora.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/text/text_test_support.h"
#include "tests/support/csv_rows.h"

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

/// The folder of the tokenizer that goes with a model of golden/ppl.csv; empty where it is not.
std::string TokenizerOf(const std::string& model) {
  const std::string shared = testing::SharedFolder();
  const std::string family = "/tokenizers/" + model.substr(0, model.find('-'));
  for (const std::string& folder : {"/models/" + model, family}) {
    if (std::filesystem::exists(shared + folder)) return shared + folder;
  }
  return "";
}

/// Column tokens_total of golden/ppl.csv: a text as the reference joins it. Rows of a corpus differ
/// in the length of windows only.
void ExpectTotals(const std::string& corpus, const std::string& text) {
  std::map<std::string, std::string> totals;
  std::string characters;
  for (const testing::CsvRow& row : testing::CsvRows(testing::SharedFolder() + "/golden/ppl.csv")) {
    if (row.at("corpus") != corpus || row.at("protocol") != "gptq") continue;
    totals[row.at("model")] = row.at("tokens_total");
    characters = row.at("text_chars");
  }
  if (totals.empty()) GTEST_SKIP() << "golden/ppl.csv has no " << corpus;
  const auto goes_on = [](unsigned char c) { return (c & 0xC0U) == 0x80U; };
  EXPECT_EQ(
      text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), goes_on)),
      std::stoull(characters));
  for (const auto& [model, total] : totals) {
    const std::string folder = TokenizerOf(model);
    if (folder.empty()) continue;
    const auto tokenizer = LoadTokenizer(folder);
    EXPECT_EQ(testing::WithSpecial(*tokenizer, text).size(), std::stoull(total)) << model;
  }
}

TEST(GoldenTokensTest, PennTreebankHasTheReferenceCounts) {
  ROUNDLAB_SHARED_OR_SKIP(golden, "golden/ppl.csv");
  ROUNDLAB_SHARED_OR_SKIP(path, "data/ptb/ptb.valid.txt");
  std::ifstream file(path);
  std::string text;  // stripped lines joined by a space
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find_first_not_of(' ');
    const std::size_t last = line.find_last_not_of(' ');
    if (!text.empty()) text += ' ';
    text += line.substr(first, last - first + 1);
  }
  ExpectTotals("ptb-valid", text);
}

TEST(GoldenTokensTest, WikiTextHasTheReferenceCounts) {
  ROUNDLAB_SHARED_OR_SKIP(golden, "golden/ppl.csv");
  ROUNDLAB_SHARED_OR_SKIP(path, "data/wikitext-2-raw/wiki.test.raw");
  std::ifstream file(path);
  std::string text;  // lines with their own newline, a blank one as "", joined by two newlines
  std::size_t rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    if (rows > 0) text += "\n\n";
    if (line.find_first_not_of(' ') != std::string::npos) text += line + "\n";
  }
  ExpectTotals("wikitext2-test", text);
}

// golden/README.md, Models and their tokenizers.
TEST(GoldenTokensTest, SmolLm2HasTheReferencesFacts) {
  ROUNDLAB_SHARED_OR_SKIP(folder, "tokenizers/smollm2");
  const auto smollm = LoadTokenizer(folder);
  EXPECT_EQ(smollm->BosId(), 1);
  EXPECT_EQ(smollm->EosId(), 2);
  EXPECT_EQ(smollm->VocabSize(), 49152);
  EXPECT_EQ(smollm->Kind(), "byte-level bpe (tokenizer.json)");
}

}  // namespace
}  // namespace roundlab
