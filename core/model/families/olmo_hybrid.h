#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// OLMo Hybrid: layers with a gated delta rule have norms before their branches, those with
/// attention behind them, as OLMo 2. rope_theta: null is attention without positions.
ModelDescription DescribeOlmoHybrid(const ConfigReader& config);

}  // namespace roundlab
