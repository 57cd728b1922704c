#pragma once

#include <memory>
#include <string>

#include "core/text/tokenizer/pre_tokenizer.h"

namespace roundlab {

/// What tokenizer.ggml.pre of a byte-level GGUF tokenizer stands for.
struct GgufPreTokenizer {
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  bool nfc = false;            ///< text is composed first
  bool ignore_merges = false;  ///< a word that is a token becomes that token
  bool adds_bos = false;       ///< where tokenizer.ggml.add_bos_token is missing
};

/// The names and their expressions are those of llama.cpp (src/llama-vocab.cpp at 00ad355e); where
/// llama.cpp writes an expression differently than the model's own tokenizer.json, the latter's is
/// taken, and so is its NFC (Qwen2, Qwen3.5). Throws Error "unknown value '<name>' (known: ...)".
GgufPreTokenizer MakeGgufPreTokenizer(const std::string& name);

}  // namespace roundlab
