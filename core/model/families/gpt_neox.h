#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GPT-NeoX and Pythia: attention and MLP side by side or one after the other, each with a norm of
/// its own.
ModelDescription DescribeGptNeoX(const ConfigReader& config);
/// One after the other; no biases but that of the last block's attention.
ModelDescription DescribeGptNeoXJapanese(const ConfigReader& config);

}  // namespace roundlab
