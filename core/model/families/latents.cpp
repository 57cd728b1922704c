#include "core/model/families/latents.h"

#include <algorithm>
#include <string>

namespace roundlab {

void ReadLatentWidths(const ConfigReader& config, std::int64_t head_dim, Latents* latents) {
  const bool none = config.Mentions("q_lora_rank") && !config.Has("q_lora_rank");
  latents->queries = none ? 0 : config.IntOr("q_lora_rank", latents->queries);
  latents->keys = config.IntOr("kv_lora_rank", latents->keys);
  latents->value_dim = config.IntOr("v_head_dim", latents->value_dim);
  if (latents->value_dim <= head_dim) return;
  config.Fail("v_head_dim " + std::to_string(latents->value_dim) +
              " is above the width of a key, qk_nope_head_dim + qk_rope_head_dim " +
              std::to_string(head_dim));
}

void AddLatentAttention(const ModelDescription& d, const Latents& latents, PlanBuilder* b) {
  AttentionPlan& a = b->plan.attention;
  a.latent = latents.keys;
  a.kv_heads = a.heads;  // every head has its own key
  a.value_dim = std::min(latents.value_dim, a.head_dim);
  a.rotary = latents.rotary;
  a.rotary_begin = d.head_dim - d.rotary_dim;
  a.scale = latents.scale;
  a.tempered = d.temper.has_value();
  b->Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b->LatentAttention(latents.queries, latents.bias);
}

}  // namespace roundlab
