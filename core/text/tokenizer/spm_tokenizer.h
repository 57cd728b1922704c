#pragma once

#include <memory>
#include <vector>

#include "core/text/tokenizer/spm.h"
#include "core/text/tokenizer/tokenizer.h"
#include "core/text/tokenizer/word_tokenizer.h"

namespace roundlab {

struct SpmOptions {
  SpecialIds special;
  TokenTemplate around;                  ///< BOS and EOS by default
  bool add_space_prefix = true;          ///< one space in front of each stretch of text
  std::vector<AddedToken> added_tokens;  ///< found in text: PiecesInText
};

/// A sentencepiece BPE without its normalizer (as of Llama-2, whose normalizer is the identity):
/// spaces become U+2581. Control, unknown and user-defined pieces are found in the text first, and
/// what stands behind one is a stretch of its own, as llama.cpp does it (src/llama-vocab.cpp at
/// 00ad355e; transformers' reading of GGUF files agrees).
std::unique_ptr<Tokenizer> MakeSpmTokenizer(std::vector<SpmPiece> pieces, SpmOptions options);

}  // namespace roundlab
