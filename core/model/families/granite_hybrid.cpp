#include "core/model/families/granite_hybrid.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/model/common_config.h"
#include "core/model/families/granite.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct GraniteHybridTraits {
  std::vector<bool> mamba;  // a block
  StateSpacePlan space;
  std::int64_t taps;
  bool convolution_bias;
  bool bias;
  bool turns;  // attention has rotary positions
  Mixture mixture;
};

BlockPlan GraniteHybridBlock(const ModelDescription& d, std::int64_t block,
                             const GraniteHybridTraits& traits) {
  PlanBuilder b(d, block);
  if (traits.mamba.at(static_cast<std::size_t>(block))) {
    b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
    b.StateSpace("mamba", traits.space, traits.taps, traits.convolution_bias, traits.bias);
  } else {
    if (!traits.turns) b.plan.attention.rotary = RotaryStyle::kNone;
    b.LlamaAttention();
  }
  const Mixture& mixture = traits.mixture;
  if (mixture.experts.count > 0) {
    AddMlp(mixture, d, block, &b);
  } else {
    b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
    b.SharedExpert(mixture.shared, mixture.shared_inner);
  }
  return b.Done();
}

StateSpacePlan ReadStateSpace(const ConfigReader& config, std::int64_t hidden) {
  StateSpacePlan space;
  const std::int64_t inner = config.IntOr("mamba_expand", 2) * hidden;
  space.heads = config.IntOr("mamba_n_heads", 128);
  space.groups = config.IntOr("mamba_n_groups", 1);
  space.state = config.IntOr("mamba_d_state", 256);
  const bool given = config.Has("mamba_d_head") && config.root().at("mamba_d_head") != "auto";
  space.head_dim = given ? config.Int("mamba_d_head") : inner / space.heads;
  if (space.heads * space.head_dim != inner) {
    config.Fail("mamba_n_heads " + std::to_string(space.heads) + " of mamba_d_head " +
                std::to_string(space.head_dim) + " are not mamba_expand times hidden_size, " +
                std::to_string(inner));
  }
  // More would be normed group by group.
  if (space.groups != 1) Refuse(config, "mamba_n_groups", "1");
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
  return space;
}

}  // namespace

ModelDescription DescribeGraniteHybrid(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.max_positions = 2048;
  ModelDescription d = ReadSizes(config, defaults);
  ReadRope(config, &d, defaults.rope);
  d.intermediate = config.IntOr("intermediate_size", 11008);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  if (d.activation != Activation::kSilu) Refuse(config, "hidden_act", "silu");
  Mixture mixture = GraniteExperts(config.AnyIntOr("num_local_experts", 8),
                                   config.AnyIntOr("num_experts_per_tok", 2),
                                   config.IntOr("shared_intermediate_size", 1024));
  if (mixture.experts.count > 0) CheckExperts(config, mixture.experts);
  // As published, and as transformers 5 writes them.
  const std::map<std::string, bool> kinds = {
      {"mamba", true}, {"linear_attention", true}, {"attention", false}, {"full_attention", false}};
  const auto all = [](std::int64_t) { return true; };
  d.block_plan =
      With(GraniteHybridBlock,
           GraniteHybridTraits{
               LayersOfKind(config, d.layers, kinds, all), ReadStateSpace(config, d.hidden),
               config.IntOr("mamba_d_conv", 4), config.BoolOr("mamba_conv_bias", true),
               config.BoolOr("mamba_proj_bias", false),
               config.TextOr("position_embedding_type", "") == "rope", std::move(mixture)});
  ScaleParts(ReadScales(config), &d);
  return d;
}

}  // namespace roundlab
