#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// BioGPT: as OPT with norms before branches, embeddings times sqrt(hidden).
ModelDescription DescribeBioGpt(const ConfigReader& config);

}  // namespace roundlab
