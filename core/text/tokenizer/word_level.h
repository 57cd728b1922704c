#pragma once

#include <string>
#include <unordered_map>

#include "core/text/tokenizer/word_model.h"

namespace roundlab {

/// A word is a token, or else the unknown token: the `WordLevel` model of the Hugging Face
/// tokenizers library. Models of symbols (notes, moves) have it.
class WordLevel final : public WordModel {
 public:
  /// `place`: "t.json: tokenizer.model", for messages of encoding.
  WordLevel(Vocabulary vocabulary, std::string unk_token, std::string place);
  WordLevel(WordLevel&&) = default;  // a copy would point into the original's vocabulary
  WordLevel(const WordLevel&) = delete;
  WordLevel& operator=(const WordLevel&) = delete;

  /// Throws Error where an unknown word needs unk_token and that is not in the vocabulary.
  void EncodeText(std::string_view word, std::vector<std::int32_t>* ids) const override;
  void EncodeBytes(std::string_view bytes, std::vector<std::int32_t>* ids) const override;
  bool SplitsIntoMarkedWords() const override { return false; }
  std::optional<std::int32_t> Find(std::string_view token) const override;
  const std::string* Token(std::int32_t id) const override;
  std::size_t size() const override { return vocabulary_.size(); }
  std::int64_t MaxId() const override { return max_id_; }

 private:
  Vocabulary vocabulary_;
  std::unordered_map<std::int32_t, const std::string*> tokens_;
  std::string unk_token_;
  std::string place_;
  std::int64_t max_id_ = -1;
};

}  // namespace roundlab
