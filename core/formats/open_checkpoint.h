#pragma once

#include <memory>
#include <string>

#include "core/formats/checkpoint.h"

namespace roundlab {

/// Opens a folder or a .gguf file. Throws Error: no such path, folder without safetensors, shard
/// named by the index missing, tensor of the index not in its shard, a tensor in two shards.
std::unique_ptr<Checkpoint> OpenCheckpoint(const std::string& path);

}  // namespace roundlab
