#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// K-EXAONE: norms before the branches and over each head of q and k; layers that do not slide have
/// no rotary positions where others slide; DeepSeek-V3's experts (transformers 5.23, exaone_moe).
/// Blocks that predict further tokens are left out.
ModelDescription DescribeExaoneMoe(const ConfigReader& config);

}  // namespace roundlab
