#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer/spm.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace roundlab {

/// What becomes of text before it is cut into pieces.
enum class PieceNormalizer {
  kOwn,   ///< what tokenizer.model says: its rules, its handling of spaces
  kNone,  ///< every character stays, spaces too
};

/// The contents of a tokenizer.model, run by the sentencepiece library. Immutable; Encode may be
/// called from several threads.
class SentencePieceModel {
 public:
  /// Throws Error "<place>: not a sentencepiece model".
  SentencePieceModel(const std::string& place, const std::string& bytes,
                     PieceNormalizer normalizer);
  ~SentencePieceModel();

  /// Appends the ids of `text`, with a space in front of it where `prefix` (of kNone unless there
  /// is one). Word by word where that gives the same: words that come again are looked up.
  void Encode(std::string_view text, bool prefix, std::vector<std::int32_t>* ids) const;

  /// Whether the model itself puts a space in front of a text.
  bool WantsPrefix() const { return wants_prefix_; }

  const std::vector<SpmPiece>& pieces() const { return pieces_; }
  std::optional<std::int32_t> Find(std::string_view piece) const;
  std::optional<std::int32_t> BosId() const;
  std::optional<std::int32_t> EosId() const;

 private:
  using Processor = sentencepiece::SentencePieceProcessor;
  void EncodeWords(std::string_view text, bool prefix, std::vector<std::int32_t>* ids) const;

  std::unique_ptr<Processor> bare_;      // puts no space in front
  std::unique_ptr<Processor> prefixed_;  // does; null where we do so ourselves
  std::vector<SpmPiece> pieces_;
  PieceNormalizer normalizer_;
  bool wants_prefix_ = true;
  bool into_words_ = false;
};

}  // namespace roundlab
