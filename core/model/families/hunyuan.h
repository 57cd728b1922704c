#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Hunyuan, dense: as llama, with norms over each head of q and k after rotary.
ModelDescription DescribeHunyuan(const ConfigReader& config);

}  // namespace roundlab
