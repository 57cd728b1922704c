#pragma once

#include <functional>

#include "core/model/common_config.h"
#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

// Gemma: norms multiply by 1 + w, embeddings are scaled by sqrt(hidden), GeGLU.

ModelDescription DescribeGemma(const ConfigReader& config);
/// Norms before and on both branches, soft caps, every other layer slides.
ModelDescription DescribeGemma2(const ConfigReader& config);
/// Gemma 2 without the norms on branches.
ModelDescription DescribeVaultGemma(const ConfigReader& config);

// What Gemma 3 shares.

/// How a Gemma differs from the first.
struct GemmaTraits {
  bool sandwich = false;                              ///< norms on both branches too
  const char* mlp_norm = "post_attention_layernorm";  ///< without a sandwich
  double query_scale = 0;                             ///< query_pre_attn_scalar; 0: head_dim
  double soft_cap = 0;
  bool local_rope = false;  ///< of layers that slide
};

/// Embeddings that are scaled, a final norm that multiplies by offset + w, logits with this cap.
std::function<EndsPlan(const ModelDescription&)> GemmaEnds(double norm_offset,
                                                           double logit_soft_cap);
/// Lays out block and ends.
void LayGemma(const GemmaTraits& traits, double logit_soft_cap, ModelDescription* d);
ConfigDefaults GemmaDefaults(const char* activation, std::int64_t kv_heads);
/// Absent: what the class has; null: none.
double GemmaSoftCap(const ConfigReader& config, const char* key, double absent);

}  // namespace roundlab
