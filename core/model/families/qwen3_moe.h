#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Some layers may have a plain MLP (mlp_only_layers, decoder_sparse_step).
ModelDescription DescribeQwen3Moe(const ConfigReader& config);
/// Rotary positions are those of qwen_vl.h (qwen3_omni_moe_text).
ModelDescription DescribeQwen3OmniMoeText(const ConfigReader& config);
/// Mellum 2: as told by layer_types and mlp_layer_types; blocks that slide have a rope of their own
/// (mellum). The layer that predicts a further token is left out.
ModelDescription DescribeMellum(const ConfigReader& config);

}  // namespace roundlab
