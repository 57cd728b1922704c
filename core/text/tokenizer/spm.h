#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/text/tokenizer/added_tokens.h"
#include "core/text/tokenizer/word_model.h"

namespace roundlab {

/// tokenizer.ggml.token_type, the piece types of sentencepiece.
enum class PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct SpmPiece {
  std::string text;
  double score = 0;
  PieceType type = PieceType::kNormal;
};

/// The pieces that are looked for in text before it is cut: control and unknown ones, which are
/// special, and user-defined ones.
std::vector<AddedToken> PiecesInText(const std::vector<SpmPiece>& pieces);

/// The BPE of sentencepiece (Kudo and Richardson 2018, arXiv 1808.06226) from its pieces alone:
/// neighbouring symbols whose concatenation is a piece are merged, the highest score first, the
/// leftmost among equals; unused pieces are taken apart again; unknown characters become byte
/// pieces or, without those, the unknown piece (one for a run of them).
class SpmModel {
 public:
  /// Throws Error where there is no unknown piece although one may be needed, or where two pieces
  /// are the same.
  explicit SpmModel(std::vector<SpmPiece> pieces);

  /// Appends the ids of text in which U+2581 stands for the space. Word by word, where that gives
  /// the same: words that come again are then looked up.
  void Encode(std::string_view text, std::vector<std::int32_t>* ids) const;

  const std::vector<SpmPiece>& pieces() const { return pieces_; }

 private:
  struct Symbol;
  class Merger;
  bool SplitsIntoWords() const;
  void EncodeWord(std::string_view word, std::vector<std::int32_t>* ids) const;
  std::vector<Symbol> Cut(std::string_view text) const;
  std::optional<std::int32_t> FindMergeable(std::string_view text) const;
  void AppendUnknown(std::string_view text, std::vector<std::int32_t>* ids) const;

  std::vector<SpmPiece> pieces_;
  std::unordered_map<std::string_view, std::int32_t> mergeable_;  // into pieces_
  TokenMatcher user_defined_;
  std::array<std::int32_t, 256> bytes_{};  // ids of the byte pieces; empty: all -1
  bool has_bytes_ = false;
  std::int32_t unknown_ = -1;
  bool into_words_ = false;
};

}  // namespace roundlab
