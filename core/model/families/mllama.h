#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Llama 3.2 Vision as it reads texts: llama without the blocks of cross_attention_layers, which
/// look at images alone, and without the embeddings of image tokens (transformers 5.23,
/// mllama_text_model). Blocks keep their numbers in names.
ModelDescription DescribeMllamaText(const ConfigReader& config);

}  // namespace roundlab
