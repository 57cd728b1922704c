#pragma once

#include <string>

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Llama and what is laid out like it: RMSNorm before attention and before a gated MLP.

ModelDescription DescribeLlama(const ConfigReader& config);
ModelDescription DescribeMistral(const ConfigReader& config);
ModelDescription DescribeSeedOss(const ConfigReader& config);
ModelDescription DescribeIQuestCoder(const ConfigReader& config);
/// Code World Model: every fourth layer, the first among them, sees all keys; the others slide.
ModelDescription DescribeCwm(const ConfigReader& config);

/// A block as ModelDescription's qkv_bias, output_bias, mlp_bias and qk_norm have it.
BlockPlan LlamaBlock(const ModelDescription& d, std::int64_t block);
/// The same with this in front of its names.
BlockPlan LlamaBlockAt(const ModelDescription& d, std::int64_t block, const std::string& prefix);
EndsPlan LlamaEnds(const ModelDescription& d);
/// Has the description laid out by these two.
void UseLlamaPlans(ModelDescription* d);

}  // namespace roundlab
