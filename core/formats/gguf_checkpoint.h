#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/checkpoint.h"

namespace roundlab {

/// The Hugging Face name of a tensor of llama.cpp's: "blk.3.attn_q.weight" is
/// "model.layers.3.self_attn.q_proj.weight". A name that is not of the known ones is returned as
/// is.
std::string HfName(std::string_view gguf_name);

/// Values of general.architecture whose names are known: llama (also Mistral), qwen2 and qwen3.
const std::vector<std::string>& GgufArchitectures();

/// The tensors of a .gguf file, for these architectures under their Hugging Face names, for any
/// other under the file's own. Throws Error as GgufFile, where two
/// tensors come to have one name, and for one part of a split model.
std::unique_ptr<Checkpoint> OpenGgufCheckpoint(const std::string& path);

}  // namespace roundlab
