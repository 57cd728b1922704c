#include "core/model/families/falcon_h1.h"

#include <string>
#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/bamba.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct FalconH1Traits {
  StateSpaceTraits space;
  BranchScales scales;
  double scores;  // of q k, beside 1 / sqrt(head_dim)
  double gate;
};

BlockPlan FalconH1Block(const ModelDescription& d, std::int64_t block,
                        const FalconH1Traits& traits) {
  PlanBuilder b(d, block);
  b.LlamaAttention();
  b.plan.attention.scale *= traits.scores;
  b.StateSpace("mamba", traits.space);
  AddBambaMlp(d, &b);
  b.plan.mlp.gate_scale = traits.gate;
  b.plan.scales = traits.scales;
  return b.Done();
}

/// What stands before a layer's product is moved behind it, where there is no bias between.
double InputMultiplier(const ConfigReader& config, const char* key, const char* bias_key,
                       bool bias) {
  const double factor = config.PositiveOr(key, 1);
  if (bias && factor != 1) {
    config.Fail(std::string(key) + " beside " + bias_key + ": only one of them is supported");
  }
  return factor;
}

std::vector<float> Multipliers(const ConfigReader& config, const char* key, std::size_t count) {
  if (!config.Has(key)) return std::vector<float>(count, 1);
  const std::vector<float> factors = config.Numbers(key);
  if (factors.size() != count) Refuse(config, key, std::to_string(count) + " numbers");
  return factors;
}

StateSpaceTraits ReadFalconH1Space(const ConfigReader& config, std::int64_t hidden) {
  // Null is not absent: the class has 1024 where config.json is silent.
  const bool null = config.Mentions("mamba_d_ssm") && !config.Has("mamba_d_ssm");
  StateSpaceTraits traits = ReadStateSpace(
      config, null ? config.IntOr("mamba_expand", 2) * hidden : config.IntOr("mamba_d_ssm", 1024));
  traits.output_bias = config.BoolOr("projectors_bias", false);
  traits.norm = config.BoolOr("mamba_rms_norm", false);
  traits.space.norm_first = config.BoolOr("mamba_norm_before_gate", true);
  const double fed =
      InputMultiplier(config, "ssm_in_multiplier", "mamba_proj_bias", traits.input_bias);
  const std::vector<float> factors = Multipliers(config, "ssm_multipliers", 5);
  for (std::size_t i = 0; i < factors.size(); ++i) traits.space.factors.at(i) = fed * factors[i];
  return traits;
}

}  // namespace

ModelDescription DescribeFalconH1(const ConfigReader& config) {
  ModelDescription d = ReadBambaSizes(config, 8192);
  const double fed =
      InputMultiplier(config, "attention_in_multiplier", "attention_bias", d.qkv_bias);
  const std::vector<float> mlp = Multipliers(config, "mlp_multipliers", 2);
  const BranchScales scales = {fed * config.PositiveOr("attention_out_multiplier", 1),
                               config.PositiveOr("ssm_out_multiplier", 1), mlp[1]};
  d.block_plan = With(FalconH1Block,
                      FalconH1Traits{ReadFalconH1Space(config, d.hidden), scales,
                                     fed * fed * config.PositiveOr("key_multiplier", 1), mlp[0]});
  d.ends_plan = [embedding = config.PositiveOr("embedding_multiplier", 1),
                 logits = config.PositiveOr("lm_head_multiplier", 1)](const ModelDescription& m) {
    EndsPlan ends = BambaEnds(m);
    ends.embedding_scale = embedding;
    ends.logit_scale = logits;
    return ends;
  };
  return d;
}

}  // namespace roundlab
