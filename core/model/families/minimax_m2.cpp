#include "core/model/families/minimax_m2.h"

#include <algorithm>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/families/mixture.h"

namespace roundlab {
namespace {

BlockPlan MiniMaxBlock(const ModelDescription& d, std::int64_t block, const Mixture& mixture) {
  PlanBuilder b(d, block);
  b.LlamaAttention();
  b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.heads * d.head_dim);
  b.Norm(NormPlace::kKey, "self_attn.k_norm", d.kv_heads * d.head_dim);
  AddMlp(mixture, d, block, &b);
  return b.Done();
}

/// Keys of published files that transformers does not read.
void CheckOtherKeys(const ConfigReader& config) {
  RequireFlag(config, "use_qk_norm", true);
  RequireFlag(config, "use_routing_bias", true);
  RequireInt(config, "shared_intermediate_size", 0);
  for (const auto& [key, only] :
       {std::pair{"scoring_func", "sigmoid"}, {"qk_norm_type", "per_layer"}}) {
    if (config.TextOr(key, only) != only) Refuse(config, key, only);
  }
  const std::vector<std::int64_t> types = config.Integers("attn_type_list");
  const bool softmax = std::all_of(types.begin(), types.end(), [](auto t) { return t == 1; });
  if (!softmax) Refuse(config, "attn_type_list", "1");
}

}  // namespace

ModelDescription DescribeMiniMaxM2(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.head_dim = 128;
  defaults.max_positions = 196608;
  defaults.rope.theta = 5e6;
  defaults.rope.may_be_partial = true;
  if (config.Has("rotary_dim")) {
    defaults.rope.partial = static_cast<double>(config.Int("rotary_dim")) /
                            static_cast<double>(config.IntOr("head_dim", defaults.head_dim));
  }
  ModelDescription d = ReadCommon(config, defaults);
  CheckOtherKeys(config);
  ExpertsPlan experts =
      CorrectedExperts(ExpertCount(config, 256), config.IntOr("num_experts_per_tok", 8));
  experts.router = "block_sparse_moe.gate";
  experts.correction = "block_sparse_moe.e_score_correction_bias";
  CheckExperts(config, experts);
  const std::string expert = "block_sparse_moe.experts.#.";
  d.block_plan =
      With(MiniMaxBlock, Mixture{experts, {expert + "w1", expert + "w3", expert + "w2"}, 0, {}});
  d.ends_plan = LlamaEnds;
  return d;
}

}  // namespace roundlab
