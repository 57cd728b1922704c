#include <algorithm>

#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/formats/gguf_builder.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::Bytes;
using testing::ErrorOf;
using testing::GgufBuilder;
using testing::Ids;
using testing::Plain;
using testing::TempFolder;
using testing::WithSpecial;

constexpr std::uint32_t kInt32 = 5;
constexpr std::uint32_t kFloat32 = 6;
constexpr std::uint32_t kBool = 7;
constexpr std::uint32_t kString = 8;

void AddStrings(GgufBuilder* file, const char* key, const std::vector<std::string>& texts) {
  std::string elements;
  for (const std::string& text : texts) elements += GgufBuilder::String(text);
  file->Array(key, kString, texts.size(), elements);
}

const std::vector<std::string> kByteTokens = {"a", "b", "ab", "1", "11", "\xC4\xA0", "<s>", "<u>"};

GgufBuilder ByteLevelFile(const std::string& pre) {
  GgufBuilder file;
  file.Text("tokenizer.ggml.model", "gpt2");
  if (!pre.empty()) file.Text("tokenizer.ggml.pre", pre);
  AddStrings(&file, "tokenizer.ggml.tokens", kByteTokens);
  AddStrings(&file, "tokenizer.ggml.merges", {"a b", "1 1"});
  file.Array("tokenizer.ggml.token_type", kInt32, kByteTokens.size(),
             Bytes(std::vector<std::int32_t>{1, 1, 1, 1, 1, 1, 3, 4}));
  file.U32("tokenizer.ggml.bos_token_id", 6);
  return file;
}

std::unique_ptr<Tokenizer> LoadGguf(const GgufBuilder& file) {
  const TempFolder folder;
  return LoadTokenizer(folder.Write("a.gguf", file.Build()));
}

/// The message without "<path>: " in front.
std::string GgufMessage(const GgufBuilder& file) {
  const TempFolder folder;
  const std::string path = folder.Write("a.gguf", file.Build());
  const std::string text = ErrorOf([&] { LoadTokenizer(path); });
  EXPECT_EQ(text.substr(0, path.size() + 2), path + ": ");
  return text.size() < path.size() + 2 ? text : text.substr(path.size() + 2);
}

TEST(GgufTokenizerTest, ThePreTokenizerGoesByName) {
  const std::string text = "ab1111";
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("")), text), (Ids{2, 4, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("gpt-2")), text), (Ids{2, 4, 4}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("smollm")), text), (Ids{2, 3, 3, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("starcoder")), text), (Ids{2, 3, 3, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("qwen2")), text), (Ids{2, 3, 3, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("llama-bpe")), text), (Ids{2, 4, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("falcon")), text), (Ids{2, 4, 3, 3}));
  EXPECT_EQ(LoadGguf(ByteLevelFile("smollm"))->Kind(), "byte-level bpe (gguf, smollm)");
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("command-r")), text), (Ids{2, 3, 3, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("olmo")), text), (Ids{2, 4, 4}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("dbrx")), text), (Ids{2, 4, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("deepseek-llm")), text), (Ids{2, 4, 4}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("deepseek-coder")), text), (Ids{2, 3, 3, 3, 3}));
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("tekken")), text), (Ids{2, 3, 3, 3, 3}));
  EXPECT_EQ(
      GgufMessage(ByteLevelFile("olmo-2")),
      "tokenizer.ggml.pre: unknown value 'olmo-2'; did you mean 'olmo'? (known: a.x-4.0, "
      "bailingmoe, bailingmoe2, bloom, chatglm-bpe, codeshell, cohere2moe, command-r, dbrx, "
      "deepseek-coder, deepseek-llm, deepseek-r1-qwen, deepseek-v3, default, exaone, exaone4, "
      "f2llmv2, falcon, falcon-h1, falcon3, gigachat, glm4, gpt-2, gpt-4o, gpt3-finnish, "
      "granite-docling, grok-2, hunyuan, hunyuan-dense, hy_v4, jais, joyai-llm, kanana2, "
      "kormo, lfm2, llada-moe, llama-bpe, llama-v3, llama3, llama4, megrez, mellum, mellum2, "
      "midm-2.0, minerva-7b, minimax-m2, modern-bert, mpt, olmo, phi-2, pixtral, poro-chat, "
      "qwen2, qwen35, refact, seed-coder, smaug-bpe, smollm, solar-open, stablelm2, "
      "starcoder, superbpe, talkie, tekken, tiny_aya, trillion, viking)");
}

// A space before the digit: Digits cuts it off the "1" (golden/README.md, trap 1).
TEST(GgufTokenizerTest, SmolLmCutsSpacesOffDigits) {
  EXPECT_EQ(Plain(*LoadGguf(ByteLevelFile("smollm")), "a  1"), (Ids{0, 5, 5, 3}));
}

TEST(GgufTokenizerTest, ControlAndUserDefinedTokensAreReadFromText) {
  const auto tokenizer = LoadGguf(ByteLevelFile("gpt-2"));
  EXPECT_EQ(Plain(*tokenizer, "a<s>b<u>"), (Ids{0, 6, 1, 7}));
  EXPECT_EQ(tokenizer->Decode({2, 5, 6}), "ab <s>");
  EXPECT_EQ(tokenizer->BosId(), 6);
  EXPECT_EQ(tokenizer->EosId(), std::nullopt);
}

TEST(GgufTokenizerTest, BosIsAddedWhereTheFileOrThePreTokenizerSaysSo) {
  EXPECT_EQ(WithSpecial(*LoadGguf(ByteLevelFile("gpt-2")), "a"), (Ids{0}));
  EXPECT_EQ(WithSpecial(*LoadGguf(ByteLevelFile("llama-bpe")), "a"), (Ids{6, 0}));
  GgufBuilder file = ByteLevelFile("gpt-2");
  file.Key("tokenizer.ggml.add_bos_token", kBool, Bytes<std::uint8_t>(1));
  EXPECT_EQ(WithSpecial(*LoadGguf(file), "a"), (Ids{6, 0}));
  file.Key("tokenizer.ggml.add_eos_token", kBool, Bytes<std::uint8_t>(1));
  EXPECT_EQ(GgufMessage(file), "EOS is to be added, and is not known");
}

GgufBuilder SpmFile(std::uint32_t bos = 1) {
  GgufBuilder file;
  file.Text("tokenizer.ggml.model", "llama");
  AddStrings(&file, "tokenizer.ggml.tokens",
             {"<unk>", "<s>", "</s>", "\xE2\x96\x81", "a",
              "\xE2\x96\x81"
              "a"});
  file.Array("tokenizer.ggml.token_type", kInt32, 6,
             Bytes(std::vector<std::int32_t>{2, 3, 3, 1, 1, 1}));
  file.Array("tokenizer.ggml.scores", kFloat32, 6, Bytes(std::vector<float>{0, 0, 0, -3, -2, -1}));
  file.U32("tokenizer.ggml.bos_token_id", bos);
  file.U32("tokenizer.ggml.eos_token_id", 2);
  return file;
}

TEST(GgufTokenizerTest, SentencePieceVocabulariesGetASpaceAndBos) {
  const auto tokenizer = LoadGguf(SpmFile());
  EXPECT_EQ(WithSpecial(*tokenizer, "a a"), (Ids{1, 5, 5}));
  EXPECT_EQ(WithSpecial(*tokenizer, ""), (Ids{1}));
  EXPECT_EQ(tokenizer->Decode({5, 5}), "a a");
  EXPECT_EQ(tokenizer->Decode({1, 5, 5}), "<s> a a");
  EXPECT_EQ(tokenizer->Kind(), "sentencepiece bpe (gguf)");
  EXPECT_EQ(tokenizer->VocabSize(), 6);
  GgufBuilder file = SpmFile();
  file.Key("tokenizer.ggml.add_space_prefix", kBool, Bytes<std::uint8_t>(0));
  EXPECT_EQ(Plain(*LoadGguf(file), "a a"), (Ids{4, 5}));
}

// As llama.cpp with parse_special, and as transformers reads GGUF files: a space in front of what
// stands behind a special token.
TEST(GgufTokenizerTest, SentencePieceVocabulariesFindTheirSpecialTokens) {
  const auto tokenizer = LoadGguf(SpmFile());
  EXPECT_EQ(Plain(*tokenizer, "a</s>a <s><unk>"), (Ids{5, 2, 5, 3, 1, 0}));
  const Ids text = tokenizer->Encode("a</s>", SpecialTokens::kUnread);
  EXPECT_EQ(std::count(text.begin(), text.end(), 2), 0);
  EXPECT_EQ(Ids(text.begin(), text.begin() + 2), (Ids{1, 5}));
  GgufBuilder phi3 = SpmFile();
  phi3.Text("general.name", "Phi-3 mini");
  EXPECT_EQ(Plain(*LoadGguf(phi3), "</s>  a"), (Ids{2, 5}));
  EXPECT_EQ(Plain(*LoadGguf(SpmFile()), "</s> a"), (Ids{2, 3, 5}));
}

TEST(GgufTokenizerTest, WhatLlamaCppPassesOverIsNoError) {
  GgufBuilder file = SpmFile();
  file.Key("tokenizer.ggml.remove_extra_whitespaces", kBool, Bytes<std::uint8_t>(0));
  EXPECT_EQ(Plain(*LoadGguf(file), "a  a"), (Ids{5, 3, 5}));
  GgufBuilder eos = ByteLevelFile("gpt-2");
  eos.U32("tokenizer.ggml.eos_token_id", 8);
  EXPECT_EQ(LoadGguf(eos)->EosId(), std::nullopt);
  EXPECT_EQ(LoadGguf(ByteLevelFile("gpt-2"))->EosId(), std::nullopt);
  GgufBuilder bos = SpmFile(9);
  EXPECT_EQ(WithSpecial(*LoadGguf(bos), "a"), (Ids{1, 5}));  // llama.cpp's own default
}

TEST(GgufTokenizerTest, MistakesAreNamed) {
  GgufBuilder other;
  other.Text("tokenizer.ggml.model", "bert");
  EXPECT_EQ(GgufMessage(other), "tokenizer.ggml.model: unknown value 'bert' (known: gpt2, llama)");
  GgufBuilder types;
  types.Text("tokenizer.ggml.model", "llama");
  AddStrings(&types, "tokenizer.ggml.tokens", {"a"});
  types.Array("tokenizer.ggml.token_type", kInt32, 1, Bytes(std::vector<std::int32_t>{7}));
  EXPECT_EQ(GgufMessage(types), "tokenizer.ggml.token_type: 7 is out of range [1, 6]");
  GgufBuilder scores;
  scores.Text("tokenizer.ggml.model", "llama");
  AddStrings(&scores, "tokenizer.ggml.tokens", {"a"});
  scores.Array("tokenizer.ggml.scores", kFloat32, 2, Bytes(std::vector<float>{0, 0}));
  EXPECT_EQ(GgufMessage(scores),
            "tokenizer.ggml.scores has 2 entries, tokenizer.ggml.tokens has 1");
}

}  // namespace
}  // namespace roundlab
