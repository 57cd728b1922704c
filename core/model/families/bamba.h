#pragma once

#include <cstdint>

#include "core/model/common_config.h"
#include "core/model/config_reader.h"
#include "core/model/description.h"
#include "core/model/plan_builder.h"

namespace roundlab {

/// Bamba: attention, on half of whose heads positions turn, in the blocks of attn_layer_indices,
/// Mamba-2's state space in the others (transformers 5.23, bamba).
ModelDescription DescribeBamba(const ConfigReader& config);

// What its kin share.

/// mamba_n_heads and so on; x is `inner` wide. Throws Error where the heads are not.
StateSpaceTraits ReadStateSpace(const ConfigReader& config, std::int64_t inner);
/// Sizes, rope, biases and ends; `positions`, `rope`: where config.json is silent.
ModelDescription ReadBambaSizes(const ConfigReader& config, std::int64_t positions,
                                const RopeDefaults& rope = {});
/// pre_ff_layernorm and feed_forward.
void AddBambaMlp(const ModelDescription& d, PlanBuilder* b);
/// Llama's, with model.final_layernorm.
EndsPlan BambaEnds(const ModelDescription& d);

}  // namespace roundlab
