#pragma once

#include <cstdint>

#include "core/model/config_reader.h"
#include "core/model/plan_builder.h"

namespace roundlab {

/// Multi-head latent attention (AttentionPlan::latent). Widths are what a family has where
/// config.json is silent, until they are read.
struct Latents {
  std::int64_t queries = 1536;  // 0: none
  std::int64_t keys = 512;
  std::int64_t passed = 128;  // dimensions of a key that do not turn
  std::int64_t turned = 64;
  std::int64_t value_dim = 128;
  RotaryStyle rotary = RotaryStyle::kPair;
  double scale = 1;
  bool bias = false;
};

/// q_lora_rank (null: none), kv_lora_rank and v_head_dim. Throws Error where a value is wider than
/// a key of head_dim.
void ReadLatentWidths(const ConfigReader& config, std::int64_t head_dim, Latents* latents);
/// With the norm before it.
void AddLatentAttention(const ModelDescription& d, const Latents& latents, PlanBuilder* b);

}  // namespace roundlab
