#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace roundlab {

enum class SpecialTokens {
  kNone,     ///< the text's own tokens (add_special_tokens=False)
  kDefault,  ///< as the tokenizer adds them by default, usually BOS in front for Llama types
  kUnread,   ///< added as by default, but what the text spells like one stays text: llama.cpp's
             ///< parse_special=false, transformers' split_special_tokens=True
};

/// Text to token ids, exactly as the Hugging Face / sentencepiece tokenizer of the same files does.
/// Special and added tokens are found in the text, whatever files they come from, as transformers
/// does; SpecialTokens::kUnread leaves the special ones text. Immutable; Encode may be called from
/// several threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Throws Error where `text` is not UTF-8 (with the byte offset).
  virtual std::vector<std::int32_t> Encode(std::string_view text, SpecialTokens special) const = 0;
  virtual std::string Decode(const std::vector<std::int32_t>& ids) const = 0;
  virtual std::int64_t VocabSize() const = 0;             ///< largest id + 1
  virtual std::optional<std::int32_t> BosId() const = 0;  ///< nullopt where there is none
  virtual std::optional<std::int32_t> EosId() const = 0;
  virtual std::string Kind() const = 0;  ///< "byte-level bpe (tokenizer.json)", for the provenance
};

}  // namespace roundlab
