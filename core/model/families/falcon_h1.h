#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Falcon-H1: attention and Mamba-2's state space side by side in each block (arXiv 2507.22448;
/// transformers 5.23, falcon_h1). Its multipliers of what a linear layer without bias is fed are
/// applied to what it gives.
ModelDescription DescribeFalconH1(const ConfigReader& config);

}  // namespace roundlab
