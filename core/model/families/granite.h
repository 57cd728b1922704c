#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Granite: as llama; embeddings, scores, what branches give, and logits have scales of their own.
ModelDescription DescribeGranite(const ConfigReader& config);
/// The same with experts.
ModelDescription DescribeGraniteMoe(const ConfigReader& config);

}  // namespace roundlab
