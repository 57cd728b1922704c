#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// Throws Error where value heads are no multiple of key heads, or the activation is not SiLU: what
/// all families with such a rule ask.
void CheckDeltaRule(const ConfigReader& config, const ModelDescription& d,
                    const DeltaRulePlan& rule);

/// Qwen3-Next: three of four blocks mix tokens by a gated delta rule (MixerPlan), the others by
/// attention with gated heads; experts as Qwen2-MoE's (transformers 5.23, qwen3_next).
ModelDescription DescribeQwen3Next(const ConfigReader& config);

// The same mixers with one matrix each for what is fused there, in the language models of Qwen3.5
// (qwen3_5_text, qwen3_5_moe_text). Blocks that predict further tokens are passed over.

ModelDescription DescribeQwen35Text(const ConfigReader& config);
/// Experts lie stacked, or one by one where the file has them so.
ModelDescription DescribeQwen35MoeText(const ConfigReader& config);

}  // namespace roundlab
