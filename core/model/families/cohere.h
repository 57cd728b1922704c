#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Cohere: attention and MLP side by side after a LayerNorm without bias, rotary in pairs.

ModelDescription DescribeCohere(const ConfigReader& config);
/// Layers slide but every fourth, which has no rotary positions.
ModelDescription DescribeCohere2(const ConfigReader& config);
/// The same with experts, and perhaps one beside them that all tokens go through, in layers that
/// are not dense (transformers 5.23, cohere2_moe).
ModelDescription DescribeCohere2Moe(const ConfigReader& config);

}  // namespace roundlab
