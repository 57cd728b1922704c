#include "core/model/families/gpt_neo.h"

#include <nlohmann/json.hpp>

#include "core/model/common_config.h"
#include "core/model/families/gpt2.h"
#include "core/model/plan_builder.h"

namespace roundlab {
namespace {

using nlohmann::json;

BlockPlan GptNeoBlock(const ModelDescription& d, std::int64_t block) {
  PlanBuilder b(d, block, "transformer.h." + std::to_string(block) + ".");
  b.plan.attention.rotary = RotaryStyle::kNone;
  b.plan.attention.scale = 1;
  const std::string attention = "attn.attention.";
  b.Norms(NormKind::kLayer, 0, true);
  b.Norm(NormPlace::kBeforeAttention, "ln_1");
  b.Attention(
      {attention + "q_proj", attention + "k_proj", attention + "v_proj", attention + "out_proj"},
      false, true);
  b.Norm(NormPlace::kBeforeMlp, "ln_2");
  b.PlainMlp("mlp.c_fc", "mlp.c_proj", true);
  return b.Done();
}

/// attention_types [[["global", "local"], 6]]: these kinds, so many times over.
void ReadAttentionTypes(const ConfigReader& config, ModelDescription* d) {
  const std::int64_t window = config.IntOr("window_size", 256);
  const json both = json::array({"global", "local"});
  const json absent = json::array({json::array({both, (d->layers + 1) / 2})});
  const json types = config.Has("attention_types") ? config.root().at("attention_types") : absent;
  const auto fail = [&] {
    config.Fail("attention_types: expected [[[kind, ...], times], ...] for " +
                std::to_string(d->layers) + " layers (kinds: global, local), got " + types.dump());
  };
  std::size_t block = 0;
  const auto put = [&](const json& kind) {
    if (block == d->windows.size() || (kind != "global" && kind != "local")) fail();
    d->windows[block++] = kind == "local" ? window : 0;
  };
  if (!types.is_array()) fail();
  for (const json& entry : types) {
    const bool pair = entry.is_array() && entry.size() == 2 && entry[0].is_array() &&
                      !entry[0].empty() && entry[1].is_number_integer() && entry[1] >= 0 &&
                      entry[1] <= d->layers;
    if (!pair) fail();
    for (std::int64_t i = 0; i < entry[1]; ++i) {
      for (const json& kind : entry[0]) put(kind);
    }
  }
  if (block != d->windows.size()) fail();
}

}  // namespace

ModelDescription DescribeGptNeo(const ConfigReader& config) {
  ConfigDefaults defaults;
  if (config.Has("num_layers")) defaults.layers = "num_layers";
  if (config.Has("num_heads")) defaults.heads = "num_heads";
  defaults.norm_eps = "layer_norm_epsilon";
  defaults.eps = 1e-5;
  defaults.activation = "activation_function";
  defaults.act = "gelu_new";
  defaults.tied = true;
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.IntOr("intermediate_size", 4 * d.hidden);
  ReadAttentionTypes(config, &d);
  d.block_plan = GptNeoBlock;
  d.ends_plan = Gpt2Ends;
  return d;
}

}  // namespace roundlab
