#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::Ids;
using testing::Plain;
using testing::SmallDocument;
using testing::TempFolder;
using testing::WithSpecial;

/// The message of loading `folder`, without its path in front.
std::string LoadMessage(const TempFolder& folder) {
  const std::string text = ErrorOf([&] { LoadTokenizer(folder.path()); });
  EXPECT_EQ(text.substr(0, folder.path().size()), folder.path());
  return text.size() < folder.path().size() ? text : text.substr(folder.path().size());
}

TEST(TokenizerLoadTest, WhatIsNoTokenizerIsNamed) {
  const TempFolder folder;
  EXPECT_EQ(LoadMessage(folder),
            ": no tokenizer: expected tokenizer.json, tokenizer.model, vocab.json with "
            "merges.txt, or tekken.json");
  EXPECT_EQ(ErrorOf([&] { LoadTokenizer(folder / "x"); }),
            folder / "x: cannot open: No such file or directory");
  const std::string file = folder.Write("a.txt", "");
  EXPECT_EQ(ErrorOf([&] { LoadTokenizer(file); }),
            file + ": not a tokenizer: expected a folder or a .gguf file");
}

TEST(TokenizerLoadTest, BosAndEosComeFromTheFirstFileThatNamesThem) {
  const TempFolder folder;
  folder.Write("tokenizer.json", SmallDocument().dump());
  EXPECT_EQ(LoadTokenizer(folder.path())->BosId(), std::nullopt);
  folder.Write("config.json", R"({"bos_token_id": 3, "eos_token_id": [4, 5]})");
  EXPECT_EQ(LoadTokenizer(folder.path())->BosId(), 3);
  EXPECT_EQ(LoadTokenizer(folder.path())->EosId(), 4);
  folder.Write("special_tokens_map.json", R"({"bos_token": {"content": "a"}})");
  EXPECT_EQ(LoadTokenizer(folder.path())->BosId(), 1);
  folder.Write("tokenizer_config.json", R"({"bos_token": "b", "eos_token": "abc"})");
  EXPECT_EQ(LoadTokenizer(folder.path())->BosId(), 1);
  EXPECT_EQ(LoadTokenizer(folder.path())->EosId(), 5);
  folder.Write("tokenizer_config.json", R"({"bos_token": "b", "added_tokens_decoder": {}})");
  EXPECT_EQ(LoadTokenizer(folder.path())->BosId(), 2);
  folder.Write("tokenizer_config.json", R"({"bos_token": null, "added_tokens_decoder": {}})");
  EXPECT_EQ(LoadTokenizer(folder.path())->BosId(), std::nullopt);
  folder.Write("special_tokens_map.json", "{}");
  folder.Write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_EQ(LoadMessage(folder),
            "/tokenizer_config.json.bos_token: token '<s>' is not in the vocabulary");
  folder.Write("tokenizer_config.json", R"({"bos_token": 1})");
  EXPECT_EQ(LoadMessage(folder), "/tokenizer_config.json.bos_token: expected a string, got number");
}

TEST(TokenizerLoadTest, AddedTokensTheModelLacksGetTheNextIds) {
  const TempFolder folder;
  nlohmann::json document = SmallDocument();
  for (const char* content : {"ab", "<x>", "<y>"}) {
    document["added_tokens"].push_back(testing::SpecialToken(77, content));
  }
  folder.Write("tokenizer.json", document.dump());
  const auto tokenizer = LoadTokenizer(folder.path());
  EXPECT_EQ(Plain(*tokenizer, "abc<y><x>"), (Ids{4, 3, 7, 6}));
  EXPECT_EQ(tokenizer->VocabSize(), 8);
  EXPECT_EQ(tokenizer->Kind(), "bpe (tokenizer.json)");
  EXPECT_EQ(tokenizer->Decode({4, 3, 7}), "ab c <y>");
  EXPECT_EQ(ErrorOf([&] { Plain(*tokenizer, "ab\xFF"); }),
            "text is not UTF-8: byte 0xFF at offset 2");
}

TEST(TokenizerLoadTest, TokensOfTheFilesBesideTokenizerJsonGetTheNextIds) {
  const TempFolder folder;
  nlohmann::json document = SmallDocument();
  document["added_tokens"].push_back(testing::SpecialToken(6, "<x>"));
  folder.Write("tokenizer.json", document.dump());
  folder.Write("added_tokens.json", R"({"<z>": 40, "<y>": 30, "<x>": 20})");
  EXPECT_EQ(Plain(*LoadTokenizer(folder.path()), "a<z><y> <x> <x>"), (Ids{1, 8, 7, 0, 6, 0, 6}));
  folder.Write("special_tokens_map.json", R"({"pad_token": "<pad>", "unk_token": "<unk>"})");
  EXPECT_EQ(Plain(*LoadTokenizer(folder.path()), "<pad><unk>a"), (Ids{9, 0, 1}));
  folder.Write("tokenizer_config.json", R"({"additional_special_tokens": ["<z>"],
    "added_tokens_decoder": {"30": {"content": "<y>"}, "7": {"content": "bc"},
                             "20": {"content": "<x>", "lstrip": true, "special": true}}})");
  const auto tokenizer = LoadTokenizer(folder.path());
  EXPECT_EQ(Plain(*tokenizer, "abc<y> <x> <x><z>"), (Ids{1, 7, 8, 6, 6, 9}));
  EXPECT_EQ(tokenizer->VocabSize(), 10);
}

TEST(TokenizerLoadTest, ListsOfSpecialTokensOfBothFilesCount) {
  const TempFolder folder;
  folder.Write("tokenizer.json", SmallDocument().dump());
  folder.Write("special_tokens_map.json", R"({"additional_special_tokens": ["<y>", "<x>"]})");
  EXPECT_EQ(Plain(*LoadTokenizer(folder.path()), "a<x><y>"), (Ids{1, 7, 6}));
  folder.Write("tokenizer_config.json", R"({"additional_special_tokens": ["<z>", "<x>"]})");
  EXPECT_EQ(Plain(*LoadTokenizer(folder.path()), "a<x><y><z>"), (Ids{1, 7, 8, 6}));
}

TEST(TokenizerLoadTest, LlamasPrefixSpaceIsThatOfTokenizerConfig) {
  const TempFolder folder;
  nlohmann::json document = SmallDocument();
  document["model"]["vocab"]["\u2581"] = 6;
  document["pre_tokenizer"] = nullptr;
  document["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
  folder.Write("tokenizer.json", document.dump());
  const auto ids = [&](const std::string& of_class, const std::string& flags) {
    folder.Write("tokenizer_config.json", R"({"tokenizer_class": ")" + of_class + "\", " + flags +
                                              R"(, "additional_special_tokens": ["<x>"]})");
    return Plain(*LoadTokenizer(folder.path()), "a<x>b");
  };
  const std::string llama = "LlamaTokenizer";
  EXPECT_EQ(ids(llama, R"("legacy": true)"), (Ids{1, 7, 2}));
  EXPECT_EQ(ids("LlamaTokenizerFast", R"("add_prefix_space": true)"), (Ids{6, 1, 7, 2}));
  EXPECT_EQ(ids(llama, R"("add_prefix_space": true, "legacy": true)"), (Ids{6, 1, 7, 6, 2}));
  EXPECT_EQ(LoadTokenizer(folder.path())->Decode({6, 1, 6, 6, 2}), "a  b");
  EXPECT_EQ(ids("GPT2Tokenizer", R"("add_prefix_space": true)"), (Ids{1, 7, 2}));
  document["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers", {{{"type", "Prepend"}, {"prepend", "\u2581"}}, document["normalizer"]}}};
  folder.Write("tokenizer.json", document.dump());
  EXPECT_EQ(ids(llama, R"("add_prefix_space": true)"), (Ids{6, 1, 7, 6, 2}));
  EXPECT_EQ(ids(llama, R"("add_prefix_space": false)"), (Ids{1, 7, 2}));
  EXPECT_EQ(ids(llama, R"("add_prefix_space": false, "legacy": true)"), (Ids{1, 7, 2}));
}

class VocabMergesTest : public ::testing::Test {
 protected:
  VocabMergesTest() {
    folder_.Write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġab": 4, "e": 5, "Ã": 6,
                                    "©": 7, "1": 8, "11": 9, "<|endoftext|>": 10, "Ì": 11,
                                    "ģ": 12})");
    folder_.Write("merges.txt", "#version: 0.2\na b\r\nĠ ab\n1 1\n");
  }
  std::unique_ptr<Tokenizer> Load() const { return LoadTokenizer(folder_.path()); }

  TempFolder folder_;
};

TEST_F(VocabMergesTest, WithoutConfigItIsGpt2) {
  const auto tokenizer = Load();
  EXPECT_EQ(WithSpecial(*tokenizer, "ab ab11<|endoftext|>a"), (Ids{2, 4, 9, 10, 0}));
  EXPECT_EQ(tokenizer->BosId(), 10);
  EXPECT_EQ(tokenizer->EosId(), 10);
  EXPECT_EQ(tokenizer->Kind(), "byte-level bpe (vocab.json)");
  EXPECT_EQ(tokenizer->Decode({2, 4, 6, 7}), "ab ab\xC3\xA9");
}

TEST_F(VocabMergesTest, Qwen2SplitsDigitsAndComposes) {
  folder_.Write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2Tokenizer",
    "bos_token": null, "eos_token": "<end>",
    "added_tokens_decoder": {"13": {"content": "<end>", "special": true}}})");
  const auto tokenizer = Load();
  EXPECT_EQ(Plain(*tokenizer, "11e\xCC\x81<end>"), (Ids{8, 8, 6, 7, 13}));
  EXPECT_EQ(tokenizer->BosId(), std::nullopt);
  EXPECT_EQ(tokenizer->EosId(), 13);
  EXPECT_EQ(tokenizer->VocabSize(), 14);
}

TEST_F(VocabMergesTest, GptNeoXComposesAndKeepsDigits) {
  folder_.Write("tokenizer_config.json", R"({"tokenizer_class": "GPTNeoXTokenizerFast",
    "bos_token": "<|endoftext|>", "pad_token": "<pad>"})");
  const auto tokenizer = Load();
  EXPECT_EQ(Plain(*tokenizer, "11e\xCC\x81<pad>"), (Ids{9, 6, 7, 13}));
  EXPECT_EQ(tokenizer->BosId(), 10);
  folder_.Write("tokenizer_config.json", R"({"tokenizer_class": "CodeGenTokenizer"})");
  EXPECT_EQ(Plain(*Load(), "11e\xCC\x81"), (Ids{9, 5, 11, 12}));
}

TEST_F(VocabMergesTest, FlagsAndAddedTokensFileCount) {
  folder_.Write("tokenizer_config.json", R"({"tokenizer_class": "GPT2Tokenizer",
    "add_prefix_space": true, "add_bos_token": true, "add_eos_token": true,
    "bos_token": "<b>", "eos_token": "<|endoftext|>"})");
  folder_.Write("added_tokens.json", R"({"<b>": 13})");
  EXPECT_EQ(WithSpecial(*Load(), "ab<b>"), (Ids{13, 4, 13, 10}));
  EXPECT_EQ(Plain(*Load(), "ab"), (Ids{4}));
}

TEST_F(VocabMergesTest, MistakesAreNamed) {
  folder_.Write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer"})");
  EXPECT_EQ(LoadMessage(folder_),
            "/tokenizer_config.json.tokenizer_class: unknown class 'LlamaTokenizer' (known: "
            "CodeGenTokenizer, CodeGenTokenizerFast, GPT2Tokenizer, GPT2TokenizerFast, "
            "GPTNeoXTokenizer, GPTNeoXTokenizerFast, Qwen2Tokenizer, Qwen2TokenizerFast)");
  folder_.Write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2Tokenizer",
                                             "add_bos_token": true})");
  EXPECT_EQ(LoadMessage(folder_), "/tokenizer_config.json: BOS is to be added, and is not known");
  folder_.Write("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "y"}}})");
  EXPECT_EQ(LoadMessage(folder_),
            "/tokenizer_config.json.added_tokens_decoder: expected a token id as key, got 'x'");
  folder_.Write("tokenizer_config.json", "{}");
  folder_.Write("merges.txt", "a b\nab\n");
  EXPECT_EQ(LoadMessage(folder_), "/merges.txt:2: expected 'left right', got 'ab'");
  folder_.Write("merges.txt", "a x\n");
  EXPECT_EQ(LoadMessage(folder_), "/merges.txt: token 'x' of a merge is not in the vocabulary");
}

}  // namespace
}  // namespace roundlab
