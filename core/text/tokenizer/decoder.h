#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/text/unicode/regex.h"

namespace roundlab {

/// The `decoder` of a tokenizer.json: rewrites a list of tokens, whose concatenation is the text.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual std::vector<std::string> Apply(std::vector<std::string> tokens) const = 0;
};

/// Byte-level characters back to bytes; what is not UTF-8 then becomes U+FFFD.
std::unique_ptr<Decoder> MakeByteLevelDecoder();
/// <0xNN> tokens back to bytes; a run of them that is not UTF-8 becomes one U+FFFD each.
std::unique_ptr<Decoder> MakeByteFallbackDecoder();
std::unique_ptr<Decoder> MakeFuseDecoder();
std::unique_ptr<Decoder> MakeReplaceDecoder(TextPattern pattern, std::string content);
/// Removes `content`, one UTF-8 character, up to `start` times in front of a token and `stop` times
/// at its end.
std::unique_ptr<Decoder> MakeStripDecoder(std::string content, std::size_t start, std::size_t stop);
/// `replacement` becomes a space, or nothing in the first token where `drop_first`.
std::unique_ptr<Decoder> MakeMetaspaceDecoder(std::string replacement, bool drop_first);
/// Of sentencepiece's pieces: U+2581 to spaces, <0xNN> to bytes, and where `strip_space` without
/// the one space in front that encoding has put there.
std::unique_ptr<Decoder> MakePieceDecoder(bool strip_space);
std::unique_ptr<Decoder> MakeSequence(std::vector<std::unique_ptr<Decoder>> steps);

}  // namespace roundlab
