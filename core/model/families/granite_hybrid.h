#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Granite 4: most blocks mix tokens by Mamba-2's state space (MixerPlan), the others by attention,
/// mostly without positions; MLPs as granitemoeshared's, or the shared one alone
/// (transformers 5.23, granitemoehybrid).
ModelDescription DescribeGraniteHybrid(const ConfigReader& config);

}  // namespace roundlab
