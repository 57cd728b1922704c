#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace roundlab {

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
using Vocabulary = std::unordered_map<std::string, std::int32_t, StringHash, std::equal_to<>>;

/// The `model` of a tokenizer.json: turns words, as normalizer and pre-tokenizer leave them, into
/// tokens. Immutable; may be called from several threads.
class WordModel {
 public:
  virtual ~WordModel() = default;

  /// Appends the tokens of one word of UTF-8 text. Throws Error where the model can't spell it.
  virtual void EncodeText(std::string_view word, std::vector<std::int32_t>* ids) const = 0;

  /// The same for the byte-level spelling (byte_level.h) of `bytes`.
  virtual void EncodeBytes(std::string_view bytes, std::vector<std::int32_t>* ids) const = 0;

  /// True where EncodeText gives the same for the words of space_mark.h one by one.
  virtual bool SplitsIntoMarkedWords() const = 0;

  virtual std::optional<std::int32_t> Find(std::string_view token) const = 0;
  virtual const std::string* Token(std::int32_t id) const = 0;  ///< null where there is none
  virtual std::size_t size() const = 0;                         ///< of the vocabulary
  virtual std::int64_t MaxId() const = 0;  ///< -1 where the vocabulary is empty
};

/// "<0x0A>": the token that stands for a byte where text has no other.
std::string ByteToken(unsigned char byte);

}  // namespace roundlab
