#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/text/tokenizer/tokenizer_config.h"
#include "core/text/tokenizer/word_tokenizer.h"

namespace roundlab {

/// The tokenizer that a tokenizer.json (Hugging Face tokenizers library, version 1.0) describes.
/// `name` stands for the file in messages. Its ids are those of the library: a token of
/// `added_tokens` that the model knows has the model's id, else the next free one. `truncation` and
/// `padding` are left aside, as transformers does. Throws Error where the document is malformed or
/// has a part that is not supported; the message lists those that are.
std::unique_ptr<WordTokenizer> TokenizerFromJson(std::string_view document, const std::string& name,
                                                 const SpecialName& bos = {},
                                                 const SpecialName& eos = {});

}  // namespace roundlab
