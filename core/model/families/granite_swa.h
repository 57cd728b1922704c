#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Granite whose blocks slide but for every fourth, with sinks; a block has rotary positions of a
/// theta of its own, or none.
ModelDescription DescribeGraniteSwa(const ConfigReader& config);
/// The same with experts, and an MLP beside them as granitemoeshared's (granitemoe_swa).
ModelDescription DescribeGraniteMoeSwa(const ConfigReader& config);

}  // namespace roundlab
