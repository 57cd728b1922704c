#include "core/text/data/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/random.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;
using Ids = std::vector<std::int32_t>;

/// A token a byte, with a BOS of 256 in front.
class Bytes : public Tokenizer {
 public:
  Ids Encode(std::string_view text, SpecialTokens special) const override {
    Ids ids;
    if (special == SpecialTokens::kDefault) ids.push_back(256);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string Decode(const Ids&) const override { return ""; }
  std::int64_t VocabSize() const override { return 257; }
  std::optional<std::int32_t> BosId() const override { return 256; }
  std::optional<std::int32_t> EosId() const override { return std::nullopt; }
  std::string Kind() const override { return "bytes"; }
};

/// 60 documents of 0 to 59 letters, every seventh of one letter only.
std::vector<std::string> Documents() {
  std::vector<std::string> documents;
  for (std::size_t i = 1; i < 60; ++i) {
    std::string text;
    for (std::size_t k = 0; k < i; ++k) {
      text += i % 7 == 0 ? 'z' : static_cast<char>('a' + (i * 31 + k * k) % 26);
    }
    documents.push_back(text);
  }
  return documents;
}

class CalibrationTest : public ::testing::Test {
 protected:
  CalibrationTest() {
    std::string text;
    for (const std::string& document : Documents()) text += "{\"text\": \"" + document + "\"}\n";
    options_.data.path = folder_.Write("d.jsonl", text);
    options_.samples = 6;
    options_.seqlen = 20;
  }
  std::vector<Ids> Rows() const { return MakeCalibration(options_, Bytes()).rows; }
  static Ids Encoded(const std::string& text) {
    return Bytes().Encode(text, SpecialTokens::kDefault);
  }

  const TempFolder folder_;
  CalibrationOptions options_;
};

/// auto-round's rule: long enough, cut, dropped where the last id fills more than half.
std::vector<Ids> SignRound(const std::vector<std::string>& documents, std::size_t samples,
                           std::size_t seqlen) {
  std::vector<Ids> rows;
  for (const std::string& document : documents) {
    if (rows.size() == samples) break;
    Ids ids = Bytes().Encode(document, SpecialTokens::kDefault);
    if (ids.size() < seqlen) continue;
    ids.resize(seqlen);
    std::size_t same = 0;
    for (const std::int32_t id : ids) same += id == ids.back();
    if (same <= seqlen / 2) rows.push_back(ids);
  }
  return rows;
}

TEST_F(CalibrationTest, SignRoundTakesLongDocumentsInFileOrder) {
  options_.shuffle = false;
  const auto rows = Rows();
  EXPECT_EQ(rows, SignRound(Documents(), 6, 20));
  ASSERT_EQ(rows.size(), 6U);
  EXPECT_EQ(rows[0][0], 256);  // the first of 20 tokens has 19 letters and the BOS
  EXPECT_EQ(rows[0].back(), Documents()[18].back());
}

TEST_F(CalibrationTest, SignRoundShufflesAsNumpyPermutes) {
  options_.seed = 42;
  std::vector<std::string> shuffled;
  for (const std::uint64_t i : NumpyPermutation(42, Documents().size())) {
    shuffled.push_back(Documents()[i]);
  }
  EXPECT_EQ(Rows(), SignRound(shuffled, 6, 20));
}

TEST_F(CalibrationTest, GptqC4DrawsDocumentThenStartAndAgain) {
  options_.protocol = CalibrationProtocol::kGptqC4;
  options_.samples = 40;
  options_.seed = 7;
  PythonRandom random(7);
  std::vector<Ids> expected;
  while (expected.size() < 40) {
    const auto documents = Documents();
    const auto index = static_cast<std::size_t>(
        random.RandInt(0, static_cast<std::int64_t>(documents.size()) - 1));
    const Ids ids = Encoded(documents[index]);
    if (ids.size() <= 20) continue;
    const auto start = random.RandInt(0, static_cast<std::int64_t>(ids.size()) - 20 - 1);
    expected.emplace_back(ids.begin() + start, ids.begin() + start + 20);
  }
  EXPECT_EQ(Rows(), expected);
}

TEST_F(CalibrationTest, GptqWikitextDrawsWindowsOfTheJoinedText) {
  options_.protocol = CalibrationProtocol::kGptqWikitext2;
  options_.seed = 0;
  std::string text;
  for (const std::string& document : Documents()) text += (text.empty() ? "" : "\n\n") + document;
  const Ids ids = Encoded(text);
  PythonRandom random(0);
  std::vector<Ids> expected;
  for (int i = 0; i < 6; ++i) {
    const auto start = random.RandInt(0, static_cast<std::int64_t>(ids.size()) - 20 - 1);
    expected.emplace_back(ids.begin() + start, ids.begin() + start + 20);
  }
  EXPECT_EQ(Rows(), expected);
}

TEST_F(CalibrationTest, PlainTakesTheFirstWindows) {
  options_.protocol = CalibrationProtocol::kPlain;
  std::string text;
  for (const std::string& document : Documents()) text += (text.empty() ? "" : "\n\n") + document;
  const Ids ids = Encoded(text);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 6U);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(20 * i);
    EXPECT_EQ(rows[i], Ids(begin, begin + 20));
  }
}

TEST_F(CalibrationTest, FewerSamplesThanAskedForIsAnErrorThatSaysHowMany) {
  options_.samples = 128;
  struct Case {
    CalibrationProtocol protocol;
    std::int64_t seqlen;
    const char* told;
  };
  for (const auto& [protocol, seqlen, told] :
       {Case{CalibrationProtocol::kSignRound, 20, "signround found 35"},
        Case{CalibrationProtocol::kGptqC4, 60, "gptq_c4 found 0"},
        Case{CalibrationProtocol::kGptqWikitext2, 2000, "gptq_wikitext2 found 0"},
        Case{CalibrationProtocol::kPlain, 20, "plain found 94"}}) {
    options_.protocol = protocol;
    options_.seqlen = seqlen;
    EXPECT_EQ(ErrorOf([&] { Rows(); }), options_.data.path +
                                            ": calibration asks for 128 samples of " +
                                            std::to_string(seqlen) + " tokens, protocol " + told);
  }
}

TEST_F(CalibrationTest, FingerprintIsOverTheIdsInOrder) {
  const CalibrationTokens tokens = MakeCalibration(options_, Bytes());
  std::string bytes;
  for (const Ids& row : tokens.rows) bytes += testing::Bytes(row);
  EXPECT_EQ(tokens.fingerprint, Sha256Hex(bytes));
  options_.seed += 1;
  EXPECT_NE(MakeCalibration(options_, Bytes()).fingerprint, tokens.fingerprint);
}

TEST_F(CalibrationTest, TokenStreamJoinsTextsOrIds) {
  Dataset data;
  data.documents = {"a", "b"};
  data.join = "--";
  EXPECT_EQ(TokenStream(data, Bytes()), (Ids{256, 'a', '-', '-', 'b'}));
  data.join_tokens = true;
  EXPECT_EQ(TokenStream(data, Bytes()), (Ids{256, 'a', 256, 'b'}));
}

TEST(CalibrationDataTest, SignRoundOnThePileIsThePeersRule) {
  ROUNDLAB_SHARED_OR_SKIP(model, "models/TinyStories-656K");
  ROUNDLAB_SHARED_OR_SKIP(file, "data/pile/pile-sample.jsonl.gz");
  const auto tokenizer = LoadTokenizer(model);
  CalibrationOptions options;
  options.data.path = file;
  options.samples = 8;
  options.seqlen = 128;
  options.shuffle = false;
  const CalibrationTokens tokens = MakeCalibration(options, *tokenizer);
  // peers/scripts/common.py pile_tokens, brute force; it encodes no more than 16 letters a token.
  DataSource source;
  source.path = file;
  std::vector<Ids> expected;
  for (const std::string& document : LoadDataset(source, 60).documents) {
    if (expected.size() == 8) break;
    Ids ids = tokenizer->Encode(document, SpecialTokens::kDefault);
    if (ids.size() < 128) continue;
    ids.resize(128);
    if (std::count(ids.begin(), ids.end(), ids.back()) <= 64) expected.push_back(ids);
  }
  EXPECT_EQ(tokens.rows, expected);
  EXPECT_EQ(tokens.rows.size(), 8U);
  EXPECT_EQ(tokens.rows[0][0], 1);  // BOS
}

}  // namespace
}  // namespace roundlab
