#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GPT-2: learned positions, matrices stored as [in, out] (Conv1D), q, k and v in one.
ModelDescription DescribeGpt2(const ConfigReader& config);

/// Embeddings, learned positions and the last norm, as its kin have them too.
EndsPlan Gpt2Ends(const ModelDescription& d);

}  // namespace roundlab
