#pragma once

#include <memory>
#include <string>

#include "core/formats/checkpoint.h"

namespace roundlab {

/// The tensors of a Hugging Face folder: those of model.safetensors, else those that
/// model.safetensors.index.json lists, else those of pytorch_model.bin or its index (TorchFile), in
/// the order of transformers, else those of the only *.safetensors there is. A tensor of a shard
/// that the index does not mention is kept. "x" of type F8_E4M3 beside "x_scale_inv" is read as
/// what both are together (DecodeScaledBlocks). Throws Error as OpenCheckpoint.
std::unique_ptr<Checkpoint> OpenHfFolder(const std::string& folder);

}  // namespace roundlab
