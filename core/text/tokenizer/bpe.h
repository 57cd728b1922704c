#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/text/tokenizer/pair_table.h"
#include "core/text/tokenizer/word_model.h"

namespace roundlab {

struct BpeOptions {
  std::optional<std::string> unk_token;
  bool fuse_unk = false;       ///< neighbouring unknown characters give one unk_token
  bool byte_fallback = false;  ///< unknown characters become <0xNN> tokens
  bool ignore_merges = false;  ///< a word that is a token becomes that token, whatever the merges
  std::string place;           ///< "t.json: tokenizer.model", for messages of encoding
};

/// Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909): the characters of a word are merged
/// pair by pair, the pair of the lowest rank first, the leftmost among equals. As the `BPE` model
/// of the Hugging Face tokenizers library does it.
class Bpe final : public WordModel {
 public:
  /// `merges`: (left, right) by rank. Throws Error where one of them or their concatenation is not
  /// in `vocabulary`, or where an id is negative.
  Bpe(Vocabulary vocabulary, const std::vector<std::pair<std::string, std::string>>& merges,
      BpeOptions options);
  Bpe(Bpe&&) = default;  // a copy would point into the original's vocabulary
  Bpe(const Bpe&) = delete;
  Bpe& operator=(const Bpe&) = delete;

  /// Throws Error where an unknown character needs unk_token and that is not in the vocabulary. A
  /// character is left out where there is no unk_token.
  void EncodeText(std::string_view word, std::vector<std::int32_t>* ids) const override;
  void EncodeBytes(std::string_view bytes, std::vector<std::int32_t>* ids) const override;
  bool SplitsIntoMarkedWords() const override { return into_marked_words_; }
  std::optional<std::int32_t> Find(std::string_view token) const override;
  const std::string* Token(std::int32_t id) const override;
  std::size_t size() const override { return vocabulary_.size(); }
  std::int64_t MaxId() const override { return max_id_; }

 private:
  void AppendUnknown(std::string_view character, std::vector<std::int32_t>* symbols,
                     std::optional<std::int32_t>* pending) const;
  bool AppendByteTokens(std::string_view character, std::vector<std::int32_t>* symbols) const;
  std::optional<std::int32_t> FindCharacter(std::string_view character) const;
  std::vector<std::int32_t> Characters(std::string_view word) const;

  Vocabulary vocabulary_;
  std::unordered_map<std::int32_t, const std::string*> tokens_;
  std::array<std::int32_t, 128> ascii_;          // ids of the ASCII characters, or -1
  std::array<std::int32_t, 256> byte_level_;     // ids of the byte-level characters, or -1
  std::array<std::int32_t, 256> byte_fallback_;  // ids of <0xNN>, or -1
  PairTable merges_;
  BpeOptions options_;
  std::int64_t max_id_ = -1;
  bool into_marked_words_ = false;
};

}  // namespace roundlab
