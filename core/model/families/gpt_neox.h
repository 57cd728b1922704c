#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GPT-NeoX and Pythia: attention and MLP side by side or one after the other, each with a norm of
/// its own.
ModelDescription DescribeGptNeoX(const ConfigReader& config);

}  // namespace roundlab
