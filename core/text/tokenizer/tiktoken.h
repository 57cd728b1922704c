#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/text/tokenizer/tokenizer_config.h"
#include "core/text/tokenizer/word_tokenizer.h"

namespace roundlab {

// Byte-level BPE as tiktoken has it (openai/tiktoken): the bytes of each token by rank. Two
// neighbours are merged where their concatenation is a token, that of the lowest rank first; a word
// that is a token becomes that token. `name` stands for the file in messages; all throw Error
// "<name>: ..." naming the line or the key that is wrong. BOS stands in front by default.

/// Whether a tokenizer.model begins like a tiktoken file: base64, a space, a rank.
bool LooksLikeTiktoken(std::string_view document);

/// Lines "base64 rank", cut by the expression of Llama 3. The 256 special tokens behind them are
/// those that tokenizer_config.json numbers, else those of Llama 3 (llama/tokenizer.py of
/// meta-llama/llama3).
std::unique_ptr<WordTokenizer> TokenizerFromTiktoken(std::string_view document,
                                                     const std::string& name,
                                                     const TokenizerConfig& config);

/// Mistral's tekken.json, which brings its own expression. Its special tokens come first; where it
/// names fewer than it counts, the rest are <SPECIAL_i>. Where it names none it is of a version
/// that leaves their names to mistral_common: an error.
std::unique_ptr<WordTokenizer> TokenizerFromTekken(std::string_view document,
                                                   const std::string& name,
                                                   const TokenizerConfig& config);

}  // namespace roundlab
