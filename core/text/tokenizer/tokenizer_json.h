#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/text/tokenizer/tokenizer_config.h"
#include "core/text/tokenizer/word_tokenizer.h"

namespace roundlab {

/// The tokenizer that a tokenizer.json (Hugging Face tokenizers library, version 1.0) describes.
/// `name` stands for the file in messages. Its ids are those of the library: a token of
/// `added_tokens` that the model knows has the model's id, else the next free one. So do tokens
/// that `config` numbers or names, as transformers adds them: those that are there already take the
/// flags of added_tokens_decoder, and keep their ids whatever number stands there. Where `config`
/// says of a LlamaTokenizer with add_prefix_space other than the document has it, the space is put
/// in front of the text or left out as there; with legacy true behind special tokens too.
/// `truncation` and `padding` are left aside, as transformers does. Throws Error where the document
/// is malformed or has a part that is not supported; the message lists those that are.
std::unique_ptr<WordTokenizer> TokenizerFromJson(std::string_view document, const std::string& name,
                                                 const TokenizerConfig& config = {});

}  // namespace roundlab
