#include "core/model/families/cohere.h"

#include <algorithm>

#include "core/model/common_config.h"
#include "core/model/families/mixture.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

BlockPlan CohereBlock(const ModelDescription& d, std::int64_t block, bool qk_norm) {
  PlanBuilder b(d, block);
  b.plan.parallel = true;
  b.plan.attention.rotary = RotaryStyle::kPair;
  b.Norms(NormKind::kLayer);
  b.LlamaAttention();
  if (qk_norm) {
    b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim, d.heads);
    b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim, d.kv_heads);
    for (NormPlan& norm : b.plan.norms) norm.stacked = norm.split > 0;
  }
  b.GatedMlp({"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}, false);
  return b.Done();
}

struct CohereMoe {
  Mixture mixture;
  bool rms = false;
  bool dense_turn = true;  ///< dense layers have rotary positions, whether they slide or not
};

BlockPlan CohereMoeBlock(const ModelDescription& d, std::int64_t block, const CohereMoe& traits) {
  const Mixture& mixture = traits.mixture;
  const bool dense = mixture.dense.count(block) > 0;
  PlanBuilder b(d, block);
  b.plan.parallel = true;
  const bool turns = b.plan.attention.window > 0 || (dense && traits.dense_turn);
  b.plan.attention.rotary = turns ? RotaryStyle::kPair : RotaryStyle::kNone;
  b.Norms(traits.rms ? NormKind::kRms : NormKind::kLayer);
  b.LlamaAttention();
  if (dense) {
    b.GatedMlp(GateUpDown("mlp."), false);
    return b.Done();
  }
  if (mixture.experts.shared) b.SharedExpert(mixture.shared, mixture.shared_inner);
  b.Experts(mixture.experts, mixture.names, mixture.inner);
  return b.Done();
}

/// mlp_layer_types, or the first first_k_dense_replace layers.
Mixture ReadCohereExperts(const ConfigReader& config, const ModelDescription& d,
                          std::int64_t first) {
  Mixture mixture{
      {"mlp.gate", config.IntOr("num_experts", 8), config.IntOr("num_experts_per_tok", 2)},
      GateUpDown("mlp.experts.#."),
      config.Int("intermediate_size"),
      {}};
  ExpertsPlan& experts = mixture.experts;
  CheckExperts(config, experts);
  const std::string scored = config.TextOr("expert_selection_fn", "softmax");
  if (scored != "softmax" && scored != "sigmoid") {
    Refuse(config, "expert_selection_fn", "sigmoid, softmax");
  }
  if (scored == "sigmoid") {
    experts.routing = Routing::kSigmoid;
    experts.normalize = config.BoolOr("norm_topk_prob", true);
  }
  const std::int64_t shared = config.AnyIntOr("num_shared_experts", 0);
  experts.shared = shared > 0;
  mixture.shared = GateUpDown("mlp.shared_experts.");
  mixture.shared_inner = shared * mixture.inner;
  const char* strategy = "shared_expert_combination_strategy";
  const std::string joined = config.TextOr(strategy, "average");
  if (joined != "average" && joined != "sum") Refuse(config, strategy, "average, sum");
  if (experts.shared && joined == "average") experts.factor = experts.shared_factor = 0.5;
  for (std::int64_t i = 0; i < std::min(first, d.layers); ++i) mixture.dense.insert(i);
  ReadMlpTypes(config, d, &mixture);
  return mixture;
}

ModelDescription ReadCohere(const ConfigReader& config, double theta, std::int64_t head_dim = 0) {
  ConfigDefaults defaults;
  defaults.norm_eps = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.head_dim = head_dim;
  defaults.tied = true;
  defaults.max_positions = 8192;
  defaults.rope.theta = theta;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  const double scale = config.PositiveOr("logit_scale", 0.0625);
  d.ends_plan = [scale](const ModelDescription& m) {
    EndsPlan ends;
    ends.final_norm = LayerNormPlan(m, "model.norm", false);
    ends.logit_scale = scale;
    return ends;
  };
  return d;
}

}  // namespace

ModelDescription DescribeCohere(const ConfigReader& config) {
  ModelDescription d = ReadCohere(config, 5e5);
  const bool qk_norm = config.BoolOr("use_qk_norm", false);
  d.block_plan = With(CohereBlock, qk_norm);
  return d;
}

ModelDescription DescribeCohere2(const ConfigReader& config) {
  ModelDescription d = ReadCohere(config, 10000);
  RequireFlag(config, "use_qk_norm", false);
  ReadPattern(config, 4096, PatternOr(config, 4), &d);
  d.block_plan = [](const ModelDescription& m, std::int64_t i) {
    BlockPlan plan = CohereBlock(m, i, false);
    if (plan.attention.window == 0) plan.attention.rotary = RotaryStyle::kNone;
    return plan;
  };
  return d;
}

ModelDescription DescribeCohere2Moe(const ConfigReader& config) {
  ModelDescription d = ReadCohere(config, 10000, 128);
  const std::int64_t first = config.AnyIntOr("first_k_dense_replace", 0);
  const std::int64_t early = config.IntOr("prefix_dense_sliding_window_pattern", 1);
  const std::int64_t pattern = config.IntOr("sliding_window_pattern", 4);
  ReadSliding(
      config, 4096,
      [&](std::int64_t i) {
        return i < first ? (i + 1) % early != 0 : (i - first + 1) % pattern != 0;
      },
      &d);
  CohereMoe traits;
  traits.mixture = ReadCohereExperts(config, d, first);
  traits.rms = config.Has("rms_norm_eps");
  traits.dense_turn = early == 1;
  d.intermediate = config.IntOr("prefix_dense_intermediate_size", d.intermediate);
  d.norm_eps = config.PositiveOr("rms_norm_eps", d.norm_eps);
  d.block_plan = With(CohereMoeBlock, traits);
  d.ends_plan = [plain = d.ends_plan, rms = traits.rms](const ModelDescription& m) {
    EndsPlan ends = plain(m);
    if (rms) ends.final_norm->kind = NormKind::kRms;
    return ends;
  };
  return d;
}

}  // namespace roundlab
