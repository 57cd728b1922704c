#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Baichuan and Baichuan 2: as llama, q, k and v in one matrix; models wider than 4096 have ALiBi,
/// the second's head (known by its vocabulary) has rows of length 1.
ModelDescription DescribeBaichuan(const ConfigReader& config);

}  // namespace roundlab
