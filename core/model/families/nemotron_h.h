#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Nemotron-H, and Nemotron Nano 2 and 3: each block is one branch, Mamba-2's state space,
/// attention without positions, an MLP, or experts beside one that all tokens go through;
/// hybrid_override_pattern or layers_block_type says which (transformers 5.23, nemotron_h). Experts
/// of a latent (moe_latent_size) are refused.
ModelDescription DescribeNemotronH(const ConfigReader& config);

}  // namespace roundlab
