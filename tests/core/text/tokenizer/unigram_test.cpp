#include "core/text/tokenizer/unigram.h"

#include <algorithm>
#include <map>
#include <random>

#include "core/base/utf8.h"
#include "core/text/tokenizer/byte_level.h"
#include "core/text/tokenizer/tokenizer_json.h"
#include "tests/core/text/text_test_support.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;
using testing::Ids;

Ids Text(const Unigram& model, std::string_view word) {
  Ids ids;
  model.EncodeText(word, &ids);
  return ids;
}

UnigramOptions Unknown(std::int32_t id) {
  UnigramOptions options;
  options.unk_id = id;
  return options;
}

/// Every way to cut a word, and the best of them by the definition.
class AllCuts {
 public:
  AllCuts(std::string_view word, const std::vector<UnigramPiece>& pieces) : word_(word) {
    for (std::size_t id = 0; id < pieces.size(); ++id) {
      ids_[pieces[id].text] = static_cast<std::int32_t>(id);
      lowest_ = std::min(lowest_, pieces[id].score);
    }
    for (const auto& [text, id] : ids_) {
      scores_[text] = pieces[static_cast<std::size_t>(id)].score;
    }
    Extend({}, 0, 0);
  }

  Ids Best() const {
    Ids ids;
    std::string unknown;
    const auto flush = [&] {
      const auto piece = ids_.find(unknown);
      if (!unknown.empty()) ids.push_back(piece == ids_.end() ? 0 : piece->second);
      unknown.clear();
    };
    for (const std::string& cut : best_) {
      const auto piece = ids_.find(cut);
      if (piece == ids_.end() || piece->second == 0) {
        unknown += cut;
      } else {
        flush();
        ids.push_back(piece->second);
      }
    }
    flush();
    return ids;
  }

 private:
  void Extend(std::vector<std::string> cuts, std::size_t end, double score) {
    if (end == word_.size()) {
      if (best_.empty() || score > best_score_ ||
          (score == best_score_ && LaterCutsAreLonger(cuts))) {
        best_ = std::move(cuts);
        best_score_ = score;
      }
      return;
    }
    const std::string character(word_.substr(end, Utf8Length(word_[end])));
    std::map<std::string, double> next = {{character, lowest_ - 10}};
    for (const auto& [text, piece_score] : scores_) {
      if (word_.substr(end).starts_with(text)) next[text] = piece_score;
    }
    for (const auto& [text, cut_score] : next) {
      std::vector<std::string> longer = cuts;
      longer.push_back(text);
      Extend(std::move(longer), end + text.size(), score + cut_score);
    }
  }

  bool LaterCutsAreLonger(const std::vector<std::string>& cuts) const {
    auto mine = cuts.rbegin();
    auto other = best_.rbegin();
    while (mine->size() == other->size()) ++mine, ++other;
    return mine->size() > other->size();
  }

  std::string_view word_;
  std::map<std::string, std::int32_t> ids_;
  std::map<std::string, double> scores_;
  double lowest_ = 1e300;
  std::vector<std::string> best_;
  double best_score_ = 0;
};

// Scores are multiples of a quarter, so that sums are exact and ties are frequent.
TEST(UnigramTest, FindsTheBestOfAllWaysToCutAWord) {
  const std::vector<std::string> letters = {"a", "b", "\xC3\xA9", "\xE4\xBD\xA0"};
  std::mt19937 random(5);
  const auto text_of = [&](std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += letters[random() % letters.size()];
    return text;
  };
  for (int round = 0; round < 400; ++round) {
    std::vector<UnigramPiece> pieces = {{"<unk>", 0}};
    const double shift = round % 4 == 0 ? 30 : -2;  // above 20, unknown may beat a longer piece
    for (std::size_t count = random() % 9; count > 0; --count) {
      const double score = static_cast<double>(random() % 12) / 4 + shift;
      pieces.push_back({text_of(1 + random() % 3), score});
    }
    if (round % 4 == 0) pieces[0].score = shift;
    const Unigram model(pieces, Unknown(0));
    for (int repeat = 0; repeat < 4; ++repeat) {
      const std::string word = text_of(1 + random() % 7);
      ASSERT_EQ(Text(model, word), AllCuts(word, pieces).Best()) << word;
    }
  }
}

TEST(UnigramTest, UnknownCharactersAreOnePieceOrTheirBytes) {
  std::vector<UnigramPiece> pieces = {{"<unk>", 0}, {"a", -1}};
  EXPECT_EQ(Text(Unigram(pieces, Unknown(0)), "xya\xC3\xA9z<unk>"), (Ids{0, 1, 0}));
  EXPECT_EQ(Text(Unigram(pieces, Unknown(0)), ""), Ids{});
  UnigramOptions options = Unknown(0);
  options.byte_fallback = true;
  for (int byte = 0; byte < 256; ++byte) {
    pieces.push_back({ByteToken(static_cast<unsigned char>(byte)), 0});
  }
  const Unigram model(pieces, options);
  EXPECT_EQ(Text(model, "a\xC3\xA9"), (Ids{1, 2 + 0xC3, 2 + 0xA9}));
  EXPECT_EQ(Text(model, "<unk>"), Ids{0});
  EXPECT_EQ(Text(model, "<0x0A>"), Ids{2 + 0x0A});
}

TEST(UnigramTest, TheLastOfEqualPiecesCounts) {
  const Unigram model({{"<unk>", 0}, {"a", -1}, {"aa", -3}, {"a", -2}}, Unknown(0));
  EXPECT_EQ(Text(model, "aa"), Ids{2});
  EXPECT_EQ(model.Find("a"), 3);
  EXPECT_EQ(*model.Token(1), "a");
  EXPECT_EQ(model.Token(4), nullptr);
  EXPECT_EQ(model.MaxId(), 3);
}

TEST(UnigramTest, BytesAreSpelledByTheirCharacters) {
  const Unigram model({{"<unk>", 0}, {ToByteLevel(" "), -1}, {"a", -1}}, Unknown(0));
  Ids ids;
  model.EncodeBytes("a a", &ids);
  EXPECT_EQ(ids, (Ids{2, 1, 2}));
}

TEST(UnigramTest, WithoutUnknownPieceAllMustBeSpelled) {
  UnigramOptions options;
  options.place = "t.json: tokenizer.model";
  const Unigram model({{"a", -1}, {"ab", -1}, {"\xC3\xA9z", -1}}, options);
  EXPECT_EQ(Text(model, "aba"), (Ids{1, 0}));
  EXPECT_EQ(
      ErrorOf([&] { Text(model, "ab\xC3\xA9z"); }),  // the library does not look farther, either
      "t.json: tokenizer.model: '\xC3\xA9' is no piece, and there is no unk_id");
}

json UnigramDocument() {
  return json::parse(R"({"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1.5]]}})");
}

std::string UnigramMessage(const char* pointer, const json& value) {
  json document = UnigramDocument();
  document[json::json_pointer(pointer)] = value;
  return ErrorOf([&] { TokenizerFromJson(document.dump(), "t"); });
}

TEST(UnigramTest, TheModelIsChecked) {
  EXPECT_EQ(UnigramMessage("/model/vocab", json::object()),
            "t: tokenizer.model.vocab: expected an array, got object");
  EXPECT_EQ(UnigramMessage("/model/vocab", json::array()),
            "t: tokenizer.model.vocab: expected one piece or more, got none");
  EXPECT_EQ(UnigramMessage("/model/vocab/1", "a"),
            "t: tokenizer.model.vocab[1]: expected an array, got string");
  EXPECT_EQ(UnigramMessage("/model/vocab/1", {"a"}),
            "t: tokenizer.model.vocab[1]: expected a piece and its score");
  EXPECT_EQ(UnigramMessage("/model/vocab/1/0", 1),
            "t: tokenizer.model.vocab[1][0]: expected a string, got number");
  EXPECT_EQ(UnigramMessage("/model/vocab/1/1", "-1"),
            "t: tokenizer.model.vocab[1][1]: expected a number, got string");
  EXPECT_EQ(ErrorOf([] { TokenizerFromJson(R"({"model": {"vocab": [["a", 1e999]]}})", "t"); }),
            "t: not JSON: a number out of range");
  EXPECT_EQ(UnigramMessage("/model/unk_id", 2),
            "t: tokenizer.model.unk_id: expected an id from 0 to 1, got 2");
  EXPECT_EQ(UnigramMessage("/model/unk_id", -1),
            "t: tokenizer.model.unk_id: expected an integer from 0 to 2147483647, got -1");
  EXPECT_EQ(UnigramMessage("/model/byte_fallback", true),
            "t: tokenizer.model.byte_fallback: piece '<0x00>' is not in the vocabulary");
}

}  // namespace
}  // namespace roundlab
