#include "core/model/families/granite_swa.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "core/model/common_config.h"
#include "core/model/families/granite.h"
#include "core/model/families/llama.h"
#include "core/model/layer_kinds.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

/// layer_rope_theta: a block's theta, 0 where it has no rotary positions.
std::vector<double> BlockThetas(const ConfigReader& config, const ModelDescription& d) {
  const char* key = "layer_rope_theta";
  const auto blocks = static_cast<std::size_t>(d.layers);
  if (!config.Has(key)) return std::vector<double>(blocks, d.rope.theta);
  const nlohmann::json& given = config.root().at(key);
  bool numbers = given.is_array() && given.size() == blocks;
  std::vector<double> thetas;
  for (std::size_t i = 0; i < blocks && numbers; ++i) {
    numbers = given[i].is_number() && given[i] >= 0;
    if (numbers) thetas.push_back(given[i].get<double>());
  }
  if (!numbers) {
    config.Fail(std::string(key) + ": expected " + std::to_string(blocks) +
                " numbers of at least 0, got " + given.dump());
  }
  return thetas;
}

/// The rotary tables of these: the model has two at most.
void SetRopes(const ConfigReader& config, const std::vector<double>& thetas, ModelDescription* d) {
  bool found = false;
  for (const double theta : thetas) {
    if (theta == 0 || (found && theta == d->rope.theta)) continue;
    if (!found) {
      d->rope.theta = theta;
      found = true;
    } else if (!d->local_rope) {
      d->local_rope = d->rope;
      d->local_rope->theta = theta;
    } else if (theta != d->local_rope->theta) {
      config.Fail("layer_rope_theta: more than two different numbers beside 0 are not supported");
    }
  }
}

/// Windows, sinks, ropes and scales of a model whose blocks are laid out.
void AddSlidingAttention(const ConfigReader& config, ModelDescription* d) {
  ReadSliding(
      config, 128, [](std::int64_t i) { return i % 4 != 0; }, d);
  const std::vector<double> thetas = BlockThetas(config, *d);
  SetRopes(config, thetas, d);
  d->block_plan = [plain = d->block_plan, thetas](const ModelDescription& m, std::int64_t block) {
    BlockPlan plan = plain(m, block);
    AttentionPlan& attention = plan.attention;
    const double theta = thetas.at(static_cast<std::size_t>(block));
    if (theta == 0) attention.rotary = RotaryStyle::kNone;
    attention.rope = theta == 0 || theta == m.rope.theta ? 0 : 1;
    attention.sinks = LayerPrefix(block) + "self_attn.sinks";
    return plan;
  };
  ScaleParts(ReadScales(config), d);
}

}  // namespace

ModelDescription DescribeGraniteSwa(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.kv_heads = 4;
  defaults.eps = 1e-5;
  defaults.max_positions = 8192;
  defaults.tied = true;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  UseLlamaPlans(&d);
  AddSlidingAttention(config, &d);
  return d;
}

ModelDescription DescribeGraniteMoeSwa(const ConfigReader& config) {
  ConfigDefaults defaults;
  defaults.vocab = 32000;
  defaults.max_positions = 2048;
  ModelDescription d = ReadCommon(config, defaults);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  Mixture mixture = GraniteExperts(ExpertCount(config, 8), config.IntOr("num_experts_per_tok", 2),
                                   config.AnyIntOr("shared_intermediate_size", 0));
  const std::string mlp = "block_sparse_moe.";
  mixture.experts.router = mlp + "router";
  mixture.names = {mlp + "experts.gate_up_proj.#", mlp + "experts.down_proj.#"};
  mixture.stack = "";
  LayMixture(config, mixture, &d);
  AddSlidingAttention(config, &d);
  return d;
}

}  // namespace roundlab
