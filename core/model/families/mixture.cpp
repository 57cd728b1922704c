#include "core/model/families/mixture.h"

#include <set>

#include "core/model/common_config.h"
#include "core/model/families/llama.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

struct Mixture {
  ExpertsPlan experts;
  std::vector<std::string> names;  // of gate, up and down, # for the expert
  std::int64_t inner;              // an expert's width; 0: intermediate
  std::set<std::int64_t> dense;    // blocks without experts
};

BlockPlan MixtureBlock(const ModelDescription& d, std::int64_t block, const Mixture& mixture) {
  if (mixture.dense.count(block) > 0) return LlamaBlock(d, block);
  PlanBuilder b(d, block, "model.layers." + std::to_string(block) + ".");
  b.Norm(NormPlace::kBeforeAttention, "input_layernorm");
  b.Attention({"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"},
              d.qkv_bias, d.output_bias);
  if (d.qk_norm) {
    b.Norm(NormPlace::kQuery, "self_attn.q_norm", d.head_dim);
    b.Norm(NormPlace::kKey, "self_attn.k_norm", d.head_dim);
  }
  b.Norm(NormPlace::kBeforeMlp, "post_attention_layernorm");
  b.Experts(mixture.experts, mixture.names, mixture.inner > 0 ? mixture.inner : d.intermediate);
  return b.Done();
}

/// Either name is found in files of either family.
std::int64_t ExpertCount(const ConfigReader& config, std::int64_t absent) {
  const char* key = config.Has("num_experts") ? "num_experts" : "num_local_experts";
  return config.IntOr(key, absent);
}

void LayMixture(const ConfigReader& config, const Mixture& mixture, ModelDescription* d) {
  if (mixture.experts.used > mixture.experts.count) {
    config.Fail("num_experts_per_tok " + std::to_string(mixture.experts.used) + " is above the " +
                std::to_string(mixture.experts.count) + " experts");
  }
  d->block_plan = [mixture](const ModelDescription& m, std::int64_t i) {
    return MixtureBlock(m, i, mixture);
  };
  d->ends_plan = LlamaEnds;
}

/// Blocks that mlp_only_layers names, or that decoder_sparse_step leaves out.
std::set<std::int64_t> DenseBlocks(const ConfigReader& config, std::int64_t layers) {
  std::set<std::int64_t> dense;
  const std::int64_t step = config.IntOr("decoder_sparse_step", 1);
  for (std::int64_t i = 0; i < layers; ++i) {
    if ((i + 1) % step != 0) dense.insert(i);
  }
  for (const std::int64_t i : config.Integers("mlp_only_layers")) dense.insert(i);
  return dense;
}

}  // namespace

ModelDescription DescribeMixtral(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 8;
  defaults.eps = 1e-5;
  defaults.rope.theta = 1e6;
  ModelDescription d = ReadCommon(config, defaults);
  ReadWindow(config, 0, &d);
  const std::string expert = "block_sparse_moe.experts.#.";
  LayMixture(config,
             {{"block_sparse_moe.gate", ExpertCount(config, 8),
               config.IntOr("num_experts_per_tok", 2), true},
              {expert + "w1", expert + "w3", expert + "w2"},
              0,
              {}},
             &d);
  return d;
}

ModelDescription DescribeQwen3Moe(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  ModelDescription d = ReadCommon(config, defaults);
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  if (config.BoolOr("use_sliding_window", false)) ReadWindow(config, 4096, &d);
  const std::string expert = "mlp.experts.#.";
  LayMixture(config,
             {{"mlp.gate", ExpertCount(config, 128), config.IntOr("num_experts_per_tok", 8),
               config.BoolOr("norm_topk_prob", false)},
              {expert + "gate_proj", expert + "up_proj", expert + "down_proj"},
              config.IntOr("moe_intermediate_size", 768),
              DenseBlocks(config, d.layers)},
             &d);
  return d;
}

}  // namespace roundlab
