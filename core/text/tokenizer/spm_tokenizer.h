#pragma once

#include <memory>
#include <vector>

#include "core/text/tokenizer/bpe_tokenizer.h"
#include "core/text/tokenizer/spm.h"
#include "core/text/tokenizer/tokenizer.h"

namespace roundlab {

struct SpmOptions {
  SpecialIds special;
  TokenTemplate around;          ///< BOS and EOS by default
  bool add_space_prefix = true;  ///< one space in front of text that is not empty
};

/// A sentencepiece BPE without its normalizer (as of Llama-2, whose normalizer is the identity):
/// spaces become U+2581. Control pieces are never read from text.
std::unique_ptr<Tokenizer> MakeSpmTokenizer(std::vector<SpmPiece> pieces, SpmOptions options);

}  // namespace roundlab
