#pragma once

#include <cstdint>
#include <string>

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// XGLM: as OPT, with sinusoidal positions and scaled embeddings.
ModelDescription DescribeXglm(const ConfigReader& config);

/// A block of "<body>.layers": LayerNorms before branches, biases everywhere, no rotary positions.
BlockPlan XglmBlock(const ModelDescription& d, std::int64_t block, const std::string& body);

}  // namespace roundlab
