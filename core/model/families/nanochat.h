#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// nanochat: norms without weight, of embeddings and of q and k after rotary too;
/// down(relu(up(x))^2); rotary positions turn the other way.
ModelDescription DescribeNanoChat(const ConfigReader& config);

}  // namespace roundlab
