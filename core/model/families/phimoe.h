#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Phi-3.5-MoE: experts chosen by SparseMixer, LayerNorms, biases.
ModelDescription DescribePhiMoe(const ConfigReader& config);

}  // namespace roundlab
