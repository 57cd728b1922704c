// The tokenizers of family_cases.jsonl (ids of the Hugging Face library) as GGUF files: the
// pre-tokenizer goes by its name there.
#include <map>

#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/formats/gguf_builder.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::BesideTests;
using testing::Bytes;
using testing::GgufBuilder;
using testing::Ids;

constexpr std::uint32_t kGgufInt32 = 5;
constexpr std::uint32_t kGgufString = 8;
constexpr std::int32_t kNormalToken = 1;
constexpr std::int32_t kControl = 3;
constexpr std::int32_t kUserDefined = 4;

std::string Joined(const nlohmann::json& merge) {
  if (merge.is_string()) return merge.get<std::string>();
  return merge[0].get<std::string>() + " " + merge[1].get<std::string>();
}

GgufBuilder FamilyFile(const nlohmann::json& document, const std::string& pre) {
  std::map<std::int32_t, std::string> tokens;
  std::map<std::int32_t, std::int32_t> types;
  for (const auto& [token, id] : document["model"]["vocab"].items()) tokens[id] = token;
  for (const nlohmann::json& added : document["added_tokens"]) {
    tokens[added["id"]] = added["content"];
    types[added["id"]] = added["special"].get<bool>() ? kControl : kUserDefined;
  }
  std::string texts;
  std::vector<std::int32_t> kinds;
  for (const auto& [id, token] : tokens) {
    texts += GgufBuilder::String(token);
    kinds.push_back(types.count(id) == 0 ? kNormalToken : types[id]);
  }
  std::string merges;
  for (const nlohmann::json& merge : document["model"]["merges"]) {
    merges += GgufBuilder::String(Joined(merge));
  }
  GgufBuilder file;
  file.Text("tokenizer.ggml.model", "gpt2");
  file.Text("tokenizer.ggml.pre", pre);
  file.Array("tokenizer.ggml.tokens", kGgufString, tokens.size(), texts);
  file.Array("tokenizer.ggml.token_type", kGgufInt32, kinds.size(), Bytes(kinds));
  file.Array("tokenizer.ggml.merges", kGgufString, document["model"]["merges"].size(), merges);
  file.U32("tokenizer.ggml.bos_token_id", 0);
  return file;
}

TEST(GgufFamiliesTest, NamedPreTokenizersCutAsTheFamilies) {
  const std::map<std::string, std::string> names = {{"opt", "gpt-2"},
                                                    {"codegen", "phi-2"},
                                                    {"gpt4o", "gpt-4o"},
                                                    {"llama3", "llama-bpe"},
                                                    {"gpt4_removed", "dbrx"},
                                                    {"qwen2", "qwen2"},
                                                    {"qwen35", "qwen35"},
                                                    {"tekken", "tekken"},
                                                    {"starcoder", "refact"},
                                                    {"bloom", "bloom"},
                                                    {"falcon", "falcon"},
                                                    {"deepseek_coder", "deepseek-coder"},
                                                    {"deepseek_llm", "deepseek-llm"},
                                                    {"superbpe", "superbpe"},
                                                    {"deepseek_v3", "deepseek-v3"},
                                                    {"tiny_aya", "tiny_aya"}};
  std::size_t compared = 0;
  for (const nlohmann::json& one : testing::JsonLines(BesideTests("family_cases.jsonl"))) {
    const auto name = names.find(one["name"].get<std::string>());
    if (name == names.end()) continue;
    const auto document = nlohmann::json::parse(one["tokenizer"].get<std::string>());
    const testing::TempFolder folder;
    const auto tokenizer =
        LoadTokenizer(folder.Write("a.gguf", FamilyFile(document, name->second).Build()));
    for (std::size_t i = 0; i < one["texts"].size(); ++i) {
      const auto text = one["texts"][i].get<std::string>();
      if (text.find("<mask>") != std::string::npos) continue;  // GGUF files have no lstrip
      EXPECT_EQ(testing::Plain(*tokenizer, text), one["ids"][i].get<Ids>())
          << name->second << ": '" << text << "'";
    }
    ++compared;
  }
  EXPECT_EQ(compared, names.size());
}

}  // namespace
}  // namespace roundlab
