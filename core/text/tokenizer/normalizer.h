#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/text/unicode/regex.h"
#include "core/text/unicode/unicode.h"

namespace roundlab {

/// A stretch of text on its way through a tokenizer.
struct NormalizedText {
  std::string text;  ///< UTF-8
  bool at_start;     ///< its first character comes from the first one of the whole text
};

/// The `normalizer` of a tokenizer.json. Immutable; Apply may be called from several threads.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void Apply(NormalizedText* text) const = 0;
};

/// Puts `prefix` in front of text that is not empty.
std::unique_ptr<Normalizer> MakePrepend(std::string prefix);
/// Every match of `pattern` becomes `content`.
std::unique_ptr<Normalizer> MakeReplace(TextPattern pattern, std::string content);
std::unique_ptr<Normalizer> MakeUnicodeNormalizer(NormalForm form);
std::unique_ptr<Normalizer> MakeLowercase();
/// Without the control characters that sentencepiece's rules for machine translation (nmt_nfkc)
/// remove; what they count as a space is one.
std::unique_ptr<Normalizer> MakeNmt();
/// Bytes as characters (byte_level.h).
std::unique_ptr<Normalizer> MakeByteLevelNormalizer();
/// Removes White_Space at the ends.
std::unique_ptr<Normalizer> MakeStrip(bool left, bool right);
std::unique_ptr<Normalizer> MakeSequence(std::vector<std::unique_ptr<Normalizer>> steps);

}  // namespace roundlab
