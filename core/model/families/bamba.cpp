#include "core/model/families/bamba.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/model/families/llama.h"

namespace roundlab {
namespace {

struct BambaTraits {
  std::set<std::int64_t> attention;  // these blocks
  StateSpaceTraits space;
};

BlockPlan BambaBlock(const ModelDescription& d, std::int64_t block, const BambaTraits& traits) {
  PlanBuilder b(d, block);
  if (traits.attention.count(block) > 0) {
    b.LlamaAttention();
  } else {
    b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
    b.StateSpace("mamba", traits.space);
  }
  AddBambaMlp(d, &b);
  return b.Done();
}

std::set<std::int64_t> AttentionBlocks(const ConfigReader& config, std::int64_t layers) {
  std::set<std::int64_t> blocks;
  for (const std::int64_t block : config.Integers("attn_layer_indices")) {
    if (block < 0 || block >= layers) {
      Refuse(config, "attn_layer_indices", "blocks below " + std::to_string(layers));
    }
    blocks.insert(block);
  }
  return blocks;
}

}  // namespace

StateSpaceTraits ReadStateSpace(const ConfigReader& config, std::int64_t inner) {
  StateSpaceTraits traits;
  traits.taps = config.IntOr("mamba_d_conv", 4);
  traits.convolution_bias = config.BoolOr("mamba_conv_bias", true);
  traits.input_bias = traits.output_bias = config.BoolOr("mamba_proj_bias", false);
  StateSpacePlan& space = traits.space;
  space.heads = config.IntOr("mamba_n_heads", 128);
  space.groups = config.IntOr("mamba_n_groups", 1);
  space.state = config.IntOr("mamba_d_state", 256);
  const bool given = config.Has("mamba_d_head") && config.root().at("mamba_d_head") != "auto";
  space.head_dim = given ? config.Int("mamba_d_head") : inner / space.heads;
  if (space.heads * space.head_dim != inner) {
    config.Fail("mamba_n_heads " + std::to_string(space.heads) + " of mamba_d_head " +
                std::to_string(space.head_dim) + " are not " + std::to_string(inner) +
                " channels (mamba_d_ssm, or mamba_expand times hidden_size)");
  }
  if (space.heads % space.groups != 0) {
    config.Fail("mamba_n_groups " + std::to_string(space.groups) +
                " does not divide mamba_n_heads " + std::to_string(space.heads));
  }
  if (config.Has("time_step_limit")) {
    const auto& limits = config.root().at("time_step_limit");
    const bool pair = limits.is_array() && limits.size() == 2 && limits[0].is_number();
    // How transformers 5 writes the number that JSON does not have.
    const nlohmann::json infinity = {{"__float__", "Infinity"}};
    if (!pair || !(limits[1].is_number() || limits[1] == infinity)) {
      Refuse(config, "time_step_limit", "two numbers");
    }
    space.least_step = limits[0].get<double>();
    if (limits[1].is_number()) space.largest_step = limits[1].get<double>();
  }
  return traits;
}

void AddBambaMlp(const ModelDescription& d, PlanBuilder* b) {
  b->Norm(NormPlace::kBeforeMlp, "pre_ff_layernorm");
  b->GatedMlp({"feed_forward.gate_proj", "feed_forward.up_proj", "feed_forward.down_proj"},
              d.mlp_bias);
}

EndsPlan BambaEnds(const ModelDescription& d) {
  EndsPlan ends = LlamaEnds(d);
  ends.final_norm->name = "model.final_layernorm";
  return ends;
}

ModelDescription ReadBambaSizes(const ConfigReader& config, std::int64_t positions,
                                const RopeDefaults& rope) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.vocab = 128000;
  defaults.max_positions = positions;
  defaults.eps = 1e-5;
  ModelDescription d = ReadSizes(config, defaults);
  ReadRope(config, &d, rope);
  if (d.activation != Activation::kSilu) Refuse(config, "hidden_act", "silu");
  d.intermediate = config.IntOr("intermediate_size", 14336);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  d.ends_plan = BambaEnds;
  return d;
}

ModelDescription DescribeBamba(const ConfigReader& config) {
  RopeDefaults rope;
  rope.partial = 0.5;
  rope.may_be_partial = true;
  ModelDescription d = ReadBambaSizes(config, 262144, rope);
  d.block_plan = With(
      BambaBlock, BambaTraits{AttentionBlocks(config, d.layers),
                              ReadStateSpace(config, config.IntOr("mamba_expand", 2) * d.hidden)});
  return d;
}

}  // namespace roundlab
