#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// MiniMax-M2: norms over all of q and of k, rotary positions on a part of a head, experts scored
/// by sigmoid and chosen with a correction (transformers 5.23, minimax_m2).
ModelDescription DescribeMiniMaxM2(const ConfigReader& config);

}  // namespace roundlab
