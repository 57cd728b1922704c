#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Mixtral (arXiv 2401.04088).
ModelDescription DescribeMixtral(const ConfigReader& config);

}  // namespace roundlab
