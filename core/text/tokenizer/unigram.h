#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer/prefix_tree.h"
#include "core/text/tokenizer/word_model.h"

namespace roundlab {

struct UnigramPiece {
  std::string text;
  double score = 0;  ///< the logarithm of its probability; finite
};

struct UnigramOptions {
  std::optional<std::int32_t> unk_id;  ///< the piece that stands for what has no other
  bool byte_fallback = false;          ///< what is unknown becomes <0xNN> pieces
  std::string place;                   ///< "t.json: tokenizer.model", for messages of encoding
};

/// The unigram language model (Kudo 2018, arXiv 1804.10959): of all ways to cut a word into pieces
/// the one with the largest sum of scores. As the `Unigram` model of the Hugging Face tokenizers
/// library finds it (0.23.3), sums in double from the word's beginning on:
/// - a character that is no piece itself may stand as unknown, for the lowest score less 10;
/// - of equal sums that end at one place, the one whose last piece is the longest counts;
/// - unknown pieces side by side are one, which becomes the piece of that spelling where there is
///   one, else its bytes, else the unknown piece;
/// - of pieces spelled alike the last one counts.
class Unigram final : public WordModel {
 public:
  /// Piece i has the id i. Throws Error where there is no piece, where unk_id is none of them, or
  /// where byte_fallback is set and one of the 256 <0xNN> is missing (with which the library takes
  /// the unknown piece for what is spelled with it).
  Unigram(std::vector<UnigramPiece> pieces, UnigramOptions options);

  /// Throws Error where a character is unknown and there is no unk_id.
  void EncodeText(std::string_view word, std::vector<std::int32_t>* ids) const override;
  void EncodeBytes(std::string_view bytes, std::vector<std::int32_t>* ids) const override;

  /// False: sums that start anew at each word may be rounded differently.
  bool SplitsIntoMarkedWords() const override { return false; }

  std::optional<std::int32_t> Find(std::string_view token) const override;
  const std::string* Token(std::int32_t id) const override;
  std::size_t size() const override { return pieces_.size(); }
  std::int64_t MaxId() const override { return static_cast<std::int64_t>(pieces_.size()) - 1; }

 private:
  struct Ending;
  std::vector<Ending> BestEndings(std::string_view word) const;
  std::int32_t UnknownId(std::string_view character) const;
  void AppendUnknown(std::string_view text, std::vector<std::int32_t>* ids) const;

  std::vector<UnigramPiece> pieces_;
  UnigramOptions options_;
  Vocabulary ids_;
  PrefixTree tree_;
  double unknown_score_ = 0;
};

}  // namespace roundlab
