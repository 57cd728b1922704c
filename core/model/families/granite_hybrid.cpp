#include "core/model/families/granite_hybrid.h"

#include <map>
#include <utility>

#include "core/model/common_config.h"
#include "core/model/families/bamba.h"
#include "core/model/families/granite.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct GraniteHybridTraits {
  std::vector<bool> mamba;  // a block
  StateSpaceTraits space;
  bool turns;  // attention has rotary positions
  Mixture mixture;
};

BlockPlan GraniteHybridBlock(const ModelDescription& d, std::int64_t block,
                             const GraniteHybridTraits& traits) {
  PlanBuilder b(d, block);
  if (traits.mamba.at(static_cast<std::size_t>(block))) {
    b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
    b.StateSpace("mamba", traits.space);
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
           GraniteHybridTraits{LayersOfKind(config, d.layers, kinds, all),
                               ReadStateSpace(config, config.IntOr("mamba_expand", 2) * d.hidden),
                               config.TextOr("position_embedding_type", "") == "rope",
                               std::move(mixture)});
  ScaleParts(ReadScales(config), &d);
  return d;
}

}  // namespace roundlab
