#pragma once

#include <string>
#include <vector>

#include "core/formats/gguf.h"
#include "core/model/description.h"

namespace roundlab {

/// Reads a Hugging Face config.json in today's or the older style (rope_parameters or rope_theta
/// with rope_scaling; layer_types or sliding_window). `file` is for messages. Throws Error for text
/// that is not JSON, a missing or wrong key, and an architecture or option that is not supported
/// (with the list of those that are). Of a model that also sees or hears the language model is
/// described, of whatever family its text_config names.
ModelDescription DescribeHuggingFace(const std::string& json, const std::string& file);

/// Reads the metadata of a GGUF file (general.architecture llama, qwen2, qwen3). Throws Error as
/// above.
ModelDescription DescribeGguf(const GgufFile& gguf);

/// Values of config.json's model_type that DescribeHuggingFace takes, sorted.
std::vector<std::string> SupportedFamilies();

}  // namespace roundlab
