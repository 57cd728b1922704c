#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// OPT (arXiv 2205.01068): LayerNorm before or after, learned positions, embeddings that may be
/// projected.
ModelDescription DescribeOpt(const ConfigReader& config);

}  // namespace roundlab
