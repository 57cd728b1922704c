#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/tokenizer/split_parts.h"
#include "core/text/unicode/regex.h"

namespace roundlab {

/// The pieces of a text in order. `arena` owns what had to be rewritten.
struct Pieces {
  std::vector<Piece> list;
  std::deque<std::string> arena;
  bool as_bytes = false;  ///< each byte of the pieces stands for its byte-level character

  /// Writes the byte-level characters out, where `as_bytes` is set, and clears it.
  void SpellBytes();
};

/// The `pre_tokenizer` of a tokenizer.json. Immutable; Apply may be called from several threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void Apply(Pieces* pieces) const = 0;
};

enum class PrependScheme { kAlways, kFirst, kNever };

/// Bytes as characters, after GPT-2's split where `use_regex`.
std::unique_ptr<PreTokenizer> MakeByteLevel(bool add_prefix_space, bool use_regex);
std::unique_ptr<PreTokenizer> MakeDigits(bool individual_digits);
std::unique_ptr<PreTokenizer> MakeSplit(TextPattern pattern, SplitBehavior behavior, bool invert);
/// Spaces become `replacement`, one UTF-8 character, which begins a piece where `split`.
std::unique_ptr<PreTokenizer> MakeMetaspace(std::string replacement, PrependScheme scheme,
                                            bool split);
/// Runs of word characters and runs of what is neither word nor space.
std::unique_ptr<PreTokenizer> MakeWhitespace();
std::unique_ptr<PreTokenizer> MakeWhitespaceSplit();
std::unique_ptr<PreTokenizer> MakePunctuation(SplitBehavior behavior);
std::unique_ptr<PreTokenizer> MakeSequence(std::vector<std::unique_ptr<PreTokenizer>> steps);

}  // namespace roundlab
