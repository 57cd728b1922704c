#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/text/tokenizer/normalizer.h"

namespace roundlab {

/// The `Precompiled` normalizer of a tokenizer.json: the rules that a sentencepiece model has for
/// rewriting text (`precompiled_charsmap` of its normalizer_spec). Their bytes are a 32-bit size,
/// a double-array trie (Aoe 1989; units of 32 bits as in darts-clone) of that many bytes and, zero
/// behind each, the replacements that the trie's values are offsets of. All little-endian.
///
/// As the Hugging Face library applies them (0.23.3), which is not sentencepiece's way: a grapheme
/// cluster of up to 5 bytes becomes the replacement of its shortest beginning that has one, however
/// much of it that leaves out; a longer one, or one without, is rewritten code point by code point.
///
/// Throws Error where `charsmap` is malformed. Apply does, with `place` in front, where the trie
/// leads out of itself.
std::unique_ptr<Normalizer> MakePrecompiled(std::string_view charsmap, std::string place);

}  // namespace roundlab
