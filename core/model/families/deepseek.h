#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Multi-head latent attention (AttentionPlan::latent), rotary positions in pairs on the last
/// dimensions of a head; experts in groups beside a shared one, the first blocks dense
/// (transformers 5.23, deepseek_v2).
ModelDescription DescribeDeepSeekV2(const ConfigReader& config);
/// The same, experts scored by sigmoid and chosen with a correction (deepseek_v3; R1, Kimi K2). The
/// layers behind num_hidden_layers, which predict further tokens, are left out.
ModelDescription DescribeDeepSeekV3(const ConfigReader& config);
/// GLM-4.7-Flash: the same with other sizes; mlp_layer_types says which blocks are dense
/// (glm4_moe_lite).
ModelDescription DescribeGlm4MoeLite(const ConfigReader& config);
/// Mistral Small 4: experts scored by softmax, queries tempered as Ministral 3's (mistral4, which
/// published files have within mistral3).
ModelDescription DescribeMistral4(const ConfigReader& config);
/// Youtu-LLM: latent attention with dense MLPs (youtu).
ModelDescription DescribeYoutu(const ConfigReader& config);
/// MiniCPM3: the same in halves, with scales of embeddings, branches and logits (minicpm3).
ModelDescription DescribeMiniCpm3(const ConfigReader& config);

}  // namespace roundlab
