#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Some layers may have a plain MLP (mlp_only_layers, decoder_sparse_step).
ModelDescription DescribeQwen3Moe(const ConfigReader& config);

}  // namespace roundlab
