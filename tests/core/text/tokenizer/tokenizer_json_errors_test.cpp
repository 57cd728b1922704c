#include "core/text/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>

#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;
using testing::SmallDocument;

/// The message for a document, without "t.json: tokenizer" in front.
std::string JsonMessage(const json& document) {
  const std::string head = "t.json: tokenizer";
  const std::string text = ErrorOf([&] { TokenizerFromJson(document.dump(), "t.json"); });
  EXPECT_EQ(text.substr(0, head.size()), head);
  return text.size() < head.size() ? text : text.substr(head.size());
}
std::string MessageWith(const char* pointer, const json& value) {
  json document = SmallDocument();
  document[json::json_pointer(pointer)] = value;
  return JsonMessage(document);
}

TEST(TokenizerJsonErrorsTest, WhatIsNotATokenizer) {
  EXPECT_EQ(ErrorOf([] { TokenizerFromJson("{", "t.json"); }), "t.json: not JSON: error at byte 2");
  EXPECT_EQ(ErrorOf([] { TokenizerFromJson("[]", "t.json"); }),
            "t.json: tokenizer: expected an object, got array");
  EXPECT_EQ(ErrorOf([] { TokenizerFromJson("{}", "t.json"); }),
            "t.json: tokenizer: missing 'model'");
  EXPECT_EQ(MessageWith("/version", "2.0"), ".version: unknown version '2.0' (known: 1.0)");
}

TEST(TokenizerJsonErrorsTest, UnknownPartsAreListed) {
  const json unknown = {{"type", "Strp"}};
  EXPECT_EQ(MessageWith("/normalizer", unknown),
            ".normalizer.type: unknown type 'Strp'; did you mean 'Strip'? (known: ByteLevel, "
            "Lowercase, NFC, "
            "NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip)");
  EXPECT_EQ(MessageWith("/pre_tokenizer", {{"type", "Bert"}}),
            ".pre_tokenizer.type: unknown type 'Bert' (known: ByteLevel, Digits, Metaspace, "
            "Punctuation, Sequence, Split, Whitespace, WhitespaceSplit)");
  EXPECT_EQ(MessageWith("/decoder", {{"type", "CTC"}}),
            ".decoder.type: unknown type 'CTC' (known: ByteFallback, ByteLevel, Fuse, Metaspace, "
            "Replace, Sequence, Strip)");
  EXPECT_EQ(MessageWith("/post_processor", {{"type", "Roberta"}}),
            ".post_processor.type: unknown type 'Roberta' (known: BertProcessing, ByteLevel, "
            "RobertaProcessing, Sequence, TemplateProcessing)");
  EXPECT_EQ(MessageWith("/model/type", "WordPiece"),
            ".model.type: unknown type 'WordPiece' (known: BPE, Unigram, WordLevel)");
  EXPECT_EQ(MessageWith("/normalizer", json::object()), ".normalizer: missing 'type'");
}

TEST(TokenizerJsonErrorsTest, PartsAreChecked) {
  EXPECT_EQ(MessageWith("/pre_tokenizer", {{"type", "Split"},
                                           {"pattern", {{"Regex", "["}}},
                                           {"behavior", "Isolated"},
                                           {"invert", false}}),
            ".pre_tokenizer.pattern: regex '[': an unclosed class at offset 1 is not supported");
  EXPECT_EQ(MessageWith("/pre_tokenizer", {{"type", "Punctuation"}, {"behavior", "isolated"}}),
            ".pre_tokenizer.behavior: unknown value 'isolated'; did you mean 'Isolated'? (known: "
            "Contiguous, Isolated, MergedWithNext, MergedWithPrevious, Removed)");
  EXPECT_EQ(MessageWith("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "__"}}),
            ".pre_tokenizer.replacement: expected one character, got '__'");
  EXPECT_EQ(MessageWith("/pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "last"}}),
            ".pre_tokenizer.prepend_scheme: unknown value 'last' (known: always, first, never)");
  EXPECT_EQ(MessageWith("/pre_tokenizer", {{"type", "Metaspace"}, {"add_prefix_space", false}}),
            ".pre_tokenizer: add_prefix_space false contradicts prepend_scheme");
  EXPECT_EQ(MessageWith("/pre_tokenizer", {{"type", "Digits"}, {"individual_digits", "yes"}}),
            ".pre_tokenizer.individual_digits: expected true or false, got string");
  json nested = {{"type", "NFC"}};
  for (int i = 0; i < 9; ++i) nested = {{"type", "Sequence"}, {"normalizers", {nested}}};
  EXPECT_THAT(MessageWith("/normalizer", nested),
              ::testing::EndsWith("normalizers[0]: sequences nested deeper than 8"));
}

TEST(TokenizerJsonErrorsTest, TheModelIsChecked) {
  EXPECT_EQ(MessageWith("/model/dropout", 0.1), ".model.dropout: dropout is not supported");
  EXPECT_EQ(MessageWith("/model/end_of_word_suffix", "</w>"),
            ".model.end_of_word_suffix: '</w>' is not supported (known: '')");
  EXPECT_EQ(MessageWith("/model/vocab/a", -1),
            ".model.vocab: token 'a': expected an integer, got number");
  EXPECT_EQ(MessageWith("/model/vocab/a", 2147483648),
            ".model.vocab: token 'a': expected an integer from 0 to 2147483647, got 2147483648");
  EXPECT_EQ(MessageWith("/model/merges", {"a b c"}),
            ".model.merges[0]: expected \"left right\" or [\"left\", \"right\"], got 'a b c'");
  EXPECT_EQ(MessageWith("/model/merges", {"a x"}),
            ".model: token 'x' of a merge is not in the vocabulary");
}

TEST(TokenizerJsonErrorsTest, AnUnknownTokenThatIsMissingIsToldWithItsFile) {
  json document = SmallDocument();
  document["model"]["unk_token"] = "<gone>";
  const auto tokenizer = TokenizerFromJson(document.dump(), "t.json");
  EXPECT_EQ(ErrorOf([&] { tokenizer->Encode("\xC3\xA9", SpecialTokens::kNone); }),
            "t.json: tokenizer.model: unk_token '<gone>' is not in the vocabulary");
}

TEST(TokenizerJsonErrorsTest, TokensAndTemplatesAreChecked) {
  const json token = {{"id", 6},         {"content", "x"},  {"single_word", false},
                      {"lstrip", false}, {"rstrip", false}, {"normalized", false},
                      {"special", false}};
  json other = token;
  other["content"] = "";
  EXPECT_EQ(MessageWith("/added_tokens", json::array({{{"id", 0}}})),
            ".added_tokens[0]: missing 'content'");
  json document = SmallDocument();
  document["added_tokens"] = {token, other};
  EXPECT_EQ(TokenizerFromJson(document.dump(), "t")->VocabSize(), 7);  // "" does not count
  EXPECT_EQ(MessageWith("/post_processor",
                        {{"type", "TemplateProcessing"},
                         {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}}},
                         {"special_tokens", json::object()}}),
            ".post_processor.single[0].SpecialToken.id: '<s>' is not in special_tokens");
  const json alone = {{"type", "TemplateProcessing"},
                      {"single", json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})},
                      {"special_tokens", json::object()}};
  EXPECT_EQ(MessageWith("/post_processor", {{"type", "Sequence"}, {"processors", {alone, alone}}}),
            ".post_processor.processors[1]: a second template is not supported");
}

}  // namespace
}  // namespace roundlab
