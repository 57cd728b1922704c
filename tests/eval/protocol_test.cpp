#include "eval/protocol.h"

#include <gtest/gtest.h>

#include "core/base/random.h"
#include "eval/evaluator.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using Ids = std::vector<std::int32_t>;
using testing::ErrorOf;
using testing::TempFolder;

/// A token a byte, and what special tokens a test wants; '$' in a text is BOS.
class ByteTokenizer : public Tokenizer {
 public:
  Ids Encode(std::string_view text, SpecialTokens special) const override {
    Ids ids;
    if (adds_bos && special != SpecialTokens::kNone) ids.push_back(*bos);
    for (const char byte : text) {
      const bool read = byte == '$' && special != SpecialTokens::kUnread;
      ids.push_back(read ? *bos : static_cast<unsigned char>(byte));
    }
    return ids;
  }
  std::string Decode(const Ids& ids) const override { return {ids.begin(), ids.end()}; }
  std::int64_t VocabSize() const override { return 258; }
  std::optional<std::int32_t> BosId() const override { return bos; }
  std::optional<std::int32_t> EosId() const override { return eos; }
  std::string Kind() const override { return "bytes"; }

  std::optional<std::int32_t> bos = 256;
  std::optional<std::int32_t> eos = 257;
  bool adds_bos = true;
};

/// Ids of a text's bytes, with others in front.
Ids Bytes(const std::string& text, Ids front = {}) {
  front.insert(front.end(), text.begin(), text.end());
  return front;
}

class ProtocolTest : public ::testing::Test {
 protected:
  ProtocolTest() { model_.max_positions = 64; }
  void Text(const std::string& name, const std::string& text) {
    options_.data.path = temp_.Write(name, text);
  }
  CutText Run() const { return Cut(options_, model_, tokenizer_); }
  Ids Stream(ProtocolKind protocol) {
    options_.protocol = protocol;
    return Run().windows.ids;
  }

  const TempFolder temp_;
  ByteTokenizer tokenizer_;
  ModelDescription model_;
  ProtocolOptions options_;
};

TEST_F(ProtocolTest, LlamaCppReadsNoSpecialTokensFromTheText) {
  Text("a.txt", "a$cdefgh");
  options_.seqlen = 4;
  EXPECT_EQ(Stream(ProtocolKind::kGptq)[2], 256);
  EXPECT_EQ(Stream(ProtocolKind::kLlamaCpp)[2], '$');
}

TEST_F(ProtocolTest, NamesAreThoseOfTheDataAndOfProtocolsButGptq) {
  options_.data.name = "wikitext2";
  EXPECT_EQ(options_.Name(), "wikitext2");
  options_.protocol = ProtocolKind::kLlamaCpp;
  EXPECT_EQ(options_.Name(), "wikitext2_llama_cpp");
  options_.name = "mine";
  EXPECT_EQ(options_.Name(), "mine");
}

TEST_F(ProtocolTest, OneStreamWithOneBosButForRolling) {
  Text("t.txt", "ab\ncd\n");
  options_.data.format = DataFormat::kLines;
  options_.seqlen = 3;
  EXPECT_EQ(Stream(ProtocolKind::kGptq), Bytes("ab cd", {256}));
  EXPECT_EQ(Stream(ProtocolKind::kSliding), Bytes("ab cd", {256}));
  EXPECT_EQ(Stream(ProtocolKind::kLlamaCpp), Bytes("ab cd", {256}));
  EXPECT_EQ(Stream(ProtocolKind::kLmEvalRolling), (Ids{256, 256, 'a', 'b', 256, 256, 'c', 'd'}));
  options_.version = Harness::kLmEval03;
  EXPECT_EQ(Stream(ProtocolKind::kLmEvalRolling), (Ids{257, 'a', 'b', 257, 'c', 'd'}));
}

TEST_F(ProtocolTest, TodaysPrefixIsBosWhetherAddedOrNotAndElseEos) {
  Text("t.txt", "ab");
  options_.protocol = ProtocolKind::kLmEvalRolling;
  tokenizer_.adds_bos = false;
  EXPECT_EQ(Run().windows.ids, (Ids{256, 'a', 'b'}));
  EXPECT_EQ(Run().told.at("bos"), "BOS before each document");
  tokenizer_.bos = std::nullopt;
  EXPECT_EQ(Run().windows.ids, (Ids{257, 'a', 'b'}));
  EXPECT_EQ(Run().told.at("bos"), "EOS before each document");
  tokenizer_.eos = std::nullopt;
  options_.name = "mine";
  EXPECT_EQ(ErrorOf([&] { Run(); }),
            "eval mine: protocol lmeval_rolling starts a document with BOS or EOS, and the "
            "tokenizer (bytes) has none");
  options_.version = Harness::kLmEval03;
  EXPECT_EQ(ErrorOf([&] { Run(); }),
            "eval mine: protocol lmeval_rolling starts a document with EOS, and the tokenizer "
            "(bytes) has none");
}

TEST_F(ProtocolTest, LlamaCppPutsBosInPlaceOfFirstTokensWhereTheTokenizerAddsIt) {
  Text("t.txt", "abcdefgh");
  options_.protocol = ProtocolKind::kLlamaCpp;
  options_.seqlen = 4;
  EXPECT_EQ(Run().windows.first, 256);
  EXPECT_EQ(Run().told.at("bos"), "in place of each window's first token");
  tokenizer_.adds_bos = false;
  EXPECT_EQ(Run().windows.first, std::nullopt);
  EXPECT_EQ(Run().told.at("bos"), "none");
}

TEST_F(ProtocolTest, WikitextIsAStreamOfRowsOrItsFileOrItsPages) {
  const std::string file = " \n = A = \n \n x , y \n = B = \n z \n";
  Text("w.raw", file);
  options_.seqlen = 3;
  EXPECT_EQ(Stream(ProtocolKind::kGptq),
            Bytes("\n\n = A = \n\n\n\n\n x , y \n\n\n = B = \n\n\n z \n", {256}));
  // llama.cpp reads the file and drops the newline at its end.
  EXPECT_EQ(Stream(ProtocolKind::kLlamaCpp), Bytes(file.substr(0, file.size() - 1), {256}));
  options_.join = {DocumentJoin::Kind::kText, "|"};
  EXPECT_EQ(Stream(ProtocolKind::kLlamaCpp), Bytes("| = A = \n|| x , y \n| = B = \n| z ", {256}));
  options_.join = {};
  options_.version = Harness::kLmEval03;
  const Ids first = Bytes(" = A =\n\nx, y ", {257});
  const Ids both = Bytes(" = B =\nz\n", [&] {
    Ids ids = first;
    ids.push_back(257);
    return ids;
  }());
  EXPECT_EQ(Stream(ProtocolKind::kLmEvalRolling), both);
  EXPECT_EQ(Run().words, (std::vector<double>{8, 6}));
  EXPECT_EQ(Run().bytes, (std::vector<double>{17, 12}));
  EXPECT_EQ(Run().told.at("settings"), "seqlen 3, version 0.3, detokenized");
  options_.documents = 1;
  EXPECT_EQ(Stream(ProtocolKind::kLmEvalRolling), first);
  options_.detokenize = Detokenize::kNone;
  EXPECT_EQ(Stream(ProtocolKind::kLmEvalRolling), Bytes(" = A = \n \n x , y ", {257}));
}

TEST_F(ProtocolTest, RowsInAnotherFormatBecomePagesWhereDetokenizeSaysSo) {
  Text("rows.jsonl", R"({"text": ""}
{"text": " = A = \n"}
{"text": " x , y \n"}
)");
  options_.version = Harness::kLmEval03;
  options_.detokenize = Detokenize::kWikitext;
  EXPECT_EQ(Stream(ProtocolKind::kLmEvalRolling), Bytes(" = A =\nx, y\n", {257}));
  options_.detokenize = std::nullopt;
  EXPECT_EQ(Run().words.size(), 3U);
}

TEST_F(ProtocolTest, WindowLengthsAreTheProtocolsOwnAndAtMostTheContext) {
  Text("t.txt", std::string(5000, 'a'));
  model_.max_positions = 4096;
  const auto settings = [&](ProtocolKind protocol) {
    options_.protocol = protocol;
    return Run().told.at("settings");
  };
  EXPECT_EQ(settings(ProtocolKind::kGptq), "seqlen 2048");
  EXPECT_EQ(settings(ProtocolKind::kSliding), "seqlen 2048, stride 1024");
  EXPECT_EQ(settings(ProtocolKind::kLlamaCpp), "seqlen 512");
  EXPECT_EQ(settings(ProtocolKind::kLmEvalRolling), "seqlen 4096, version 0.4");
  options_.seqlen = 4097;
  EXPECT_EQ(ErrorOf([&] { Run(); }),
            "eval " + options_.data.path +
                "_lmeval_rolling: seqlen 4097 is longer than the model's context of 4096");
}

TEST_F(ProtocolTest, GptqC4DrawsDocumentsAndPlacesAsPythonsRandomDoes) {
  std::string rows;
  std::vector<Ids> documents;
  for (std::int64_t i = 0; i < 20; ++i) {
    std::string text;
    for (std::int64_t k = 0; k < 3 * i; ++k) text += static_cast<char>('a' + (7 * k + i) % 26);
    rows += "{\"text\": \"" + text + "\"}\n";
    documents.push_back(Bytes(text, {256}));
  }
  Text("c4.jsonl", rows);
  options_.protocol = ProtocolKind::kGptqC4;
  options_.seqlen = 16;
  options_.windows = 40;
  const TokenWindows windows = Run().windows;
  PythonRandom random(0);
  Ids expected;
  while (expected.size() < 40 * 16) {
    const Ids& ids = documents[static_cast<std::size_t>(random.RandInt(0, 19))];
    if (ids.size() <= 16) continue;
    const auto start = random.RandInt(0, static_cast<std::int64_t>(ids.size()) - 17);
    expected.insert(expected.end(), ids.begin() + start, ids.begin() + start + 16);
  }
  EXPECT_EQ(windows.ids, expected);
  ASSERT_EQ(windows.list.size(), 40U);
  EXPECT_EQ(windows.list.back().scored, 15);
  options_.windows = 0;
  EXPECT_EQ(Run().windows.list.size(), 256U);
}

TEST_F(ProtocolTest, WindowsAreCutToTheFirstAndCountedAll) {
  Text("t.txt", std::string(100, 'a'));
  options_.seqlen = 10;
  options_.windows = 3;
  EXPECT_EQ(Run().windows.list.size(), 3U);
  EXPECT_EQ(Run().available, 10);
}

TEST_F(ProtocolTest, TextsThatAreTooShortAreErrors) {
  tokenizer_.adds_bos = false;
  options_.seqlen = 4;
  const auto error = [&](ProtocolKind protocol, const std::string& text) {
    Text("short.txt", text);
    options_.data.format = text.empty() ? DataFormat::kJsonl : DataFormat::kText;
    if (text.empty()) Text("short.txt", "{\"text\": \"\"}");
    options_.protocol = protocol;
    return ErrorOf([&] { Run(); });
  };
  const std::string file = temp_ / "short.txt";
  EXPECT_EQ(error(ProtocolKind::kGptq, "abc"), file + ": has 3 tokens, fewer than one window of 4");
  EXPECT_EQ(error(ProtocolKind::kSliding, "a"),
            file + ": has 1 tokens, and the first one is not scored");
  EXPECT_EQ(error(ProtocolKind::kLlamaCpp, "abcdefg"),
            file + ": has 7 tokens, fewer than two windows of 4");
  EXPECT_EQ(error(ProtocolKind::kLmEvalRolling, ""), file + ": no text in this file");
}

/// What is said of a perplexity with these options.
std::string Refusal(const std::string& options) {
  return ErrorOf([&] { Evaluators().FromText("type: perplexity\ndata: c4\n" + options); });
}

TEST(ProtocolOptionsTest, OptionsOfAnotherProtocolAreErrors) {
  const auto at = [](const std::string& place) { return "builtin:" + place + ": evaluator: "; };
  EXPECT_EQ(Refusal("protocol: sliding\nstride: 512\nseqlen: 512"), "");
  EXPECT_EQ(Refusal("stride: 8"), at("3:9") + "stride goes with protocol sliding");
  EXPECT_EQ(Refusal("protocol: sliding\nstride: 9\nseqlen: 8"),
            at("4:9") + "stride 9 leaves out tokens between windows of 8");
  for (const char* option : {"version: 0.3", "detokenize: none"}) {
    EXPECT_EQ(Refusal(std::string("protocol: llama_cpp\n") + option),
              at(option[0] == 'v' ? "4:10" : "1:1") +
                  "version and detokenize go with protocol lmeval_rolling");
  }
  for (const char* option : {"windows: 2", "join: x"}) {
    EXPECT_EQ(Refusal(std::string("protocol: lmeval_rolling\n") + option),
              at("3:11") +
                  "protocol lmeval_rolling takes documents whole and one by one: limit them by "
                  "'documents'; neither 'windows' nor 'join' goes with it");
  }
  for (const char* option : {"documents: 2", "join: x"}) {
    EXPECT_EQ(Refusal(std::string("protocol: gptq_c4\n") + option),
              at("3:11") +
                  "protocol gptq_c4 draws from single documents of all: neither 'documents' "
                  "nor 'join' goes with it");
  }
  EXPECT_EQ(Refusal("protocol: llama_cpp\nseqlen: 2"),
            at("3:11") + "protocol llama_cpp needs a seqlen of 3");
  EXPECT_EQ(Refusal("protocol: slidin"),
            "builtin:3:11: evaluator.protocol: unknown value 'slidin'; did you mean 'sliding'? "
            "(known: gptq, gptq_c4, llama_cpp, lmeval_rolling, sliding)");
  EXPECT_EQ(Refusal("protocol: lmeval_rolling\nversion: 0.5"),
            "builtin:4:10: evaluator.version: unknown value '0.5'; did you mean '0.3'? "
            "(known: 0.3, 0.4)");
}

}  // namespace
}  // namespace roundlab
