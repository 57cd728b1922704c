#include "core/model/families/lfm2.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

const std::vector<std::string> kGateUpDown = {"feed_forward.w1", "feed_forward.w3",
                                              "feed_forward.w2"};

struct Lfm2Traits {
  std::vector<bool> convolves;  // a block
  std::int64_t taps;
  bool bias;
  std::optional<Mixture> mixture;
};

BlockPlan Lfm2Block(const ModelDescription& d, std::int64_t block, const Lfm2Traits& traits) {
  PlanBuilder b(d, block);
  b.Norm(NormPlace::kBeforeAttention, "operator_norm");
  if (traits.convolves.at(static_cast<std::size_t>(block))) {
    b.ShortConvolution("conv", traits.taps, traits.bias);
  } else {
    b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"},
                false, false);
    b.Norm(NormPlace::kQuery, "self_attn.q_layernorm", d.head_dim);
    b.Norm(NormPlace::kKey, "self_attn.k_layernorm", d.head_dim);
  }
  b.Norm(NormPlace::kBeforeMlp, "ffn_norm");
  const auto& mixture = traits.mixture;
  if (mixture && mixture->dense.count(block) == 0) {
    b.Experts(mixture->experts, mixture->names, mixture->inner);
  } else {
    b.GatedMlp(kGateUpDown, false);
  }
  return b.Done();
}

EndsPlan Lfm2Ends(const ModelDescription& d) {
  EndsPlan ends = LlamaEnds(d);
  ends.final_norm->name = "model.embedding_norm";
  return ends;
}

/// Sizes and rope, of a model with one MLP a block where intermediate is set yet.
ModelDescription ReadLfm2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.norm_eps = "norm_eps";
  defaults.eps = 1e-5;
  defaults.max_positions = 128000;
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.tied_head = config.BoolOr("tie_embedding", d.tied_head);  // what published files have
  defaults.rope.theta = 1e6;
  ReadRope(config, &d, defaults.rope);
  return d;
}

Lfm2Traits ReadLfm2Traits(const ConfigReader& config, const ModelDescription& d) {
  const std::vector<std::int64_t> attend = config.Integers("full_attn_idxs");
  const bool all = !config.Has("full_attn_idxs");
  const auto convolves = [&](std::int64_t i) {
    return !all && std::find(attend.begin(), attend.end(), i) == attend.end();
  };
  return {LayersOfKind(config, d.layers, "conv", convolves), config.IntOr("conv_L_cache", 3),
          config.BoolOr("conv_bias", false), std::nullopt};
}

/// Two thirds of what config.json has, times a factor, as a multiple of block_multiple_of.
std::int64_t AdjustedWidth(const ConfigReader& config, std::int64_t width) {
  if (!config.BoolOr("block_auto_adjust_ff_dim", true)) return width;
  const auto cut = [](double number) { return static_cast<std::int64_t>(number); };
  std::int64_t inner = cut(2.0 * static_cast<double>(width) / 3.0);
  const std::int64_t multiple = config.IntOr("block_multiple_of", 256);
  const double factor = config.PositiveOr("block_ffn_dim_multiplier", 1);
  inner = cut(factor * static_cast<double>(inner));
  return multiple * ((inner + multiple - 1) / multiple);
}

}  // namespace

ModelDescription DescribeLfm2(const ConfigReader& config) {
  ModelDescription d = ReadLfm2(config);
  const char* width = config.Has("block_ff_dim") ? "block_ff_dim" : "intermediate_size";
  d.intermediate = AdjustedWidth(config, config.IntOr(width, 12288));
  d.block_plan = With(Lfm2Block, ReadLfm2Traits(config, d));
  d.ends_plan = Lfm2Ends;
  return d;
}

ModelDescription DescribeLfm2Moe(const ConfigReader& config) {
  ModelDescription d = ReadLfm2(config);
  d.intermediate = config.IntOr("intermediate_size", 7168);
  ExpertsPlan experts{"feed_forward.gate", config.IntOr("num_experts", 32),
                      config.IntOr("num_experts_per_tok", 4), config.BoolOr("norm_topk_prob", true),
                      config.PositiveOr("routed_scaling_factor", 1)};
  experts.routing = Routing::kSigmoid;
  if (config.BoolOr("use_expert_bias", true)) experts.correction = "feed_forward.expert_bias";
  CheckExperts(config, experts);
  Mixture mixture{
      experts,
      {"feed_forward.experts.#.w1", "feed_forward.experts.#.w3", "feed_forward.experts.#.w2"},
      config.IntOr("moe_intermediate_size", 1792),
      {}};
  const std::int64_t dense = config.AnyIntOr("num_dense_layers", 2);
  for (std::int64_t i = 0; i < std::min(dense, d.layers); ++i) mixture.dense.insert(i);
  Lfm2Traits traits = ReadLfm2Traits(config, d);
  traits.mixture = std::move(mixture);
  d.block_plan = With(Lfm2Block, std::move(traits));
  d.ends_plan = Lfm2Ends;
  return d;
}

}  // namespace roundlab
