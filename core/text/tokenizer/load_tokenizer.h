#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/text/tokenizer/tokenizer.h"

namespace roundlab {

/// The tokenizer of a model folder (tokenizer.json, else tokenizer.model, else vocab.json with
/// merges.txt, else tekken.json) or of a .gguf file. Throws Error naming the file and what is wrong
/// or unsupported.
std::unique_ptr<Tokenizer> LoadTokenizer(const std::string& path);

/// The names of all files of a folder that decide what LoadTokenizer makes of it.
std::vector<std::string> TokenizerFileNames();

}  // namespace roundlab
