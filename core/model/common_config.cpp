#include "core/model/common_config.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/keys.h"
#include "core/base/suggest.h"

namespace roundlab {
namespace {

using nlohmann::json;

const std::map<std::string, RopeType>& RopeTypes() {
  static const std::map<std::string, RopeType> kTypes = {
      {"default", RopeType::kDefault},   {"dynamic", RopeType::kDynamic},
      {"linear", RopeType::kLinear},     {"llama3", RopeType::kLlama3},
      {"longrope", RopeType::kLongRope}, {"yarn", RopeType::kYarn}};
  return kTypes;
}

/// Context before it was stretched: transformers 5.23 takes that of the model, where there is one.
double OriginalPositions(const ConfigReader& config, const ConfigReader& inner,
                         const RopeDefaults& defaults) {
  const char* key = "original_max_position_embeddings";
  if (config.Has(key)) return config.Positive(key);
  if (defaults.original_positions > 0) return defaults.original_positions;
  return inner.Has(key) ? inner.Positive(key) : static_cast<double>(config.Int(defaults.positions));
}

double YarnFactor(const ConfigReader& inner, double factor) {
  if (inner.Has("attention_factor")) return inner.Positive("attention_factor");
  if (!HasFactor(inner, "mscale") || !HasFactor(inner, "mscale_all_dim")) {
    return YarnScale(factor, 1);
  }
  return YarnScale(factor, inner.Positive("mscale")) /
         YarnScale(factor, inner.Positive("mscale_all_dim"));
}

void ReadYarn(const ConfigReader& inner, RopeDescription* rope) {
  rope->attention_factor = YarnFactor(inner, rope->factor);
  rope->beta_fast = inner.PositiveOr("beta_fast", 32);
  rope->beta_slow = inner.PositiveOr("beta_slow", 1);
  rope->truncate = inner.BoolOr("truncate", true);
}

void ReadLlama3(const ConfigReader& inner, RopeDescription* rope) {
  rope->low_freq_factor = inner.Positive("low_freq_factor");
  rope->high_freq_factor = inner.Positive("high_freq_factor");
  // Equal in Llama 4 Scout: nothing is between.
  if (rope->high_freq_factor < rope->low_freq_factor) {
    inner.Fail("high_freq_factor must not be below low_freq_factor");
  }
}

void ReadLongRope(double positions, const ConfigReader& inner, std::int64_t rotary_dim,
                  RopeDescription* rope) {
  rope->short_factors = inner.Numbers("short_factor");
  rope->long_factors = inner.Numbers("long_factor");
  for (const auto* factors : {&rope->short_factors, &rope->long_factors}) {
    if (2 * static_cast<std::int64_t>(factors->size()) == rotary_dim) continue;
    inner.Fail(std::string(factors == &rope->short_factors ? "short_factor" : "long_factor") +
               ": expected " + std::to_string(rotary_dim / 2) + " numbers, got " +
               std::to_string(factors->size()));
  }
  const double stretch = positions / rope->original_positions;
  const double factor = inner.PositiveOr("factor", stretch);
  const double found =
      factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(rope->original_positions));
  rope->attention_factor = inner.PositiveOr("attention_factor", found);
}

/// What is at `key`, with the rope_theta beside it where it has none.
json WithTheta(const ConfigReader& config, const char* key) {
  json keys = config.Inside(key).root();
  if (config.Has("rope_theta") && !keys.contains("rope_theta")) {
    keys["rope_theta"] = config.root().at("rope_theta");
  }
  return keys;
}

}  // namespace

RopeDescription ReadRopeParameters(const ConfigReader& config, const ConfigReader& inner,
                                   const RopeDefaults& defaults, std::int64_t rotary_dim) {
  RopeDescription rope;
  rope.theta = inner.PositiveOr("rope_theta", defaults.theta);
  std::string type = inner.TextOr("rope_type", inner.TextOr("type", "default"));
  if (defaults.long_names && (type == "su" || type == "yarn")) type = "longrope";
  if (defaults.sections && type == "mrope") type = "default";
  if (defaults.sections && defaults.alpha && type == "xdrope") type = "dynamic";
  const auto found = RopeTypes().find(type);
  if (found == RopeTypes().end()) {
    inner.Fail("rope_type: unknown value '" + type + "'" +
               SuggestionSuffix(type, Keys(RopeTypes())));
  }
  rope.type = found->second;
  if (rope.type == RopeType::kDynamic && defaults.alpha && inner.Has("alpha")) {
    const auto dim = static_cast<double>(rotary_dim);
    rope.theta *= std::pow(inner.Positive("alpha"), dim / (dim - 2));
    rope.type = RopeType::kDefault;
  }
  if (rope.type == RopeType::kDefault) return rope;
  if (rope.type == RopeType::kDynamic) {
    rope.original_positions = static_cast<double>(config.Int(defaults.positions));
  } else if (rope.type != RopeType::kLinear) {
    rope.original_positions = OriginalPositions(config, inner, defaults);
  }
  if (rope.type == RopeType::kLongRope) {
    ReadLongRope(static_cast<double>(config.Int(defaults.positions)), inner, rotary_dim, &rope);
    return rope;
  }
  rope.factor = inner.Positive("factor");
  if (rope.type == RopeType::kLlama3) ReadLlama3(inner, &rope);
  if (rope.type == RopeType::kYarn) ReadYarn(inner, &rope);
  return rope;
}

ConfigReader RopeKeys(const ConfigReader& config) {
  const char* key = config.Has("rope_scaling") ? "rope_scaling" : "rope_parameters";
  return config.Has(key) ? config.Inside(key) : config.Without();
}

bool HasFactor(const ConfigReader& inner, const char* key) {
  return inner.Has(key) && inner.root().at(key) != 0;
}

double YarnScale(double factor, double m) {
  return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1;
}

void ReadRope(const ConfigReader& config, ModelDescription* d, const RopeDefaults& defaults) {
  if (config.Has("rope_scaling") && config.Has("rope_parameters") &&
      WithTheta(config, "rope_scaling") != WithTheta(config, "rope_parameters")) {
    config.Fail("rope_scaling and rope_parameters are both there, and differ");
  }
  const ConfigReader inner = RopeKeys(config);
  const ConfigReader outer = defaults.keys_of_its_own ? config.Without() : config;
  const ConfigReader& place = inner.Has("partial_rotary_factor") ? inner : outer;
  const double factor = place.PositiveOr("partial_rotary_factor", defaults.partial);
  if (factor != 1 && !defaults.may_be_partial) {
    place.Fail("partial_rotary_factor: only 1 is supported for this family");
  }
  d->rotary_dim = static_cast<std::int64_t>(static_cast<double>(d->head_dim) * factor);
  if (factor > 1 || d->rotary_dim < 2 || d->rotary_dim % 2 != 0) {
    config.Fail("partial_rotary_factor: " + json(factor).dump() + " of head_dim " +
                std::to_string(d->head_dim) + " is " + std::to_string(d->rotary_dim) +
                " dimensions, expected an even number of them");
  }
  RopeDefaults given = defaults;
  given.theta = outer.PositiveOr("rope_theta", defaults.theta);
  d->rope = ReadRopeParameters(config, inner, given, d->rotary_dim);
}

ConfigReader RopeKeysOf(const ConfigReader& config, const char* kind) {
  const ConfigReader both =
      config.Has("rope_parameters") ? config.Inside("rope_parameters") : config.Without();
  for (const auto& [key, value] : both.root().items()) {
    if (key == "full_attention" || key == "sliding_attention") continue;
    both.Fail("unknown key '" + key + "' (known: full_attention, sliding_attention)");
  }
  return both.Has(kind) ? both.Inside(kind) : config.Without();
}

void ReadTwoRopes(const ConfigReader& config, double theta, double local_theta,
                  ModelDescription* d) {
  const ConfigReader of_full = RopeKeysOf(config, "full_attention");
  const ConfigReader full = config.Has("rope_scaling") ? config.Inside("rope_scaling") : of_full;
  // rope_scaling is added to what full_attention has.
  const double kept = of_full.PositiveOr("rope_theta", config.PositiveOr("rope_theta", theta));
  d->rotary_dim = d->head_dim;
  d->rope = ReadRopeParameters(config, full, {kept}, d->rotary_dim);
  d->local_rope = ReadRopeParameters(config, RopeKeysOf(config, "sliding_attention"), {local_theta},
                                     d->rotary_dim);
}

void PassOverNextTokenBlocks(const ConfigReader& config, ModelDescription* d) {
  const char* key = "num_nextn_predict_layers";
  const std::int64_t blocks = HasFactor(config, key) ? config.Int(key) : 0;
  if (blocks > d->layers) {
    config.Fail(std::string(key) + ": " + std::to_string(blocks) + " blocks are more than the " +
                std::to_string(d->layers) + " of the model itself");
  }
  for (std::int64_t block = d->layers; block < d->layers + blocks; ++block) {
    d->naming.other_parts.push_back(LayerPrefix(block));
  }
}

void Refuse(const ConfigReader& config, const char* key, const std::string& allowed) {
  config.Fail(std::string(key) + ": " + config.root().at(key).dump() +
              " is not supported (allowed: " + allowed + ")");
}

void RequireFlag(const ConfigReader& config, const char* key, bool only) {
  if (config.BoolOr(key, only) != only) Refuse(config, key, only ? "true" : "false");
}

void RequireNull(const ConfigReader& config, const char* key) {
  if (config.Has(key)) Refuse(config, key, "null");
}

void RequireInt(const ConfigReader& config, const char* key, std::int64_t only) {
  if (config.AnyIntOr(key, only) != only) Refuse(config, key, std::to_string(only));
}

void RequireEven(const ConfigReader& config, const char* key, std::int64_t value) {
  if (value % 2 != 0) config.Fail(std::string(key) + " " + std::to_string(value) + " is odd");
}

std::int64_t HeadDimDefault(const ConfigReader& config, std::int64_t absent) {
  return config.Mentions("head_dim") ? config.IntOr("head_dim", 0) : absent;
}

Activation ReadActivation(const ConfigReader& config, const char* key, const char* absent) {
  static const std::map<std::string, Activation> kNames = {
      {"gelu", Activation::kGelu},
      {"gelu_new", Activation::kGeluTanh},
      {"gelu_fast", Activation::kGeluTanh},
      {"gelu_pytorch_tanh", Activation::kGeluTanh},
      {"quick_gelu", Activation::kQuickGelu},
      {"relu", Activation::kRelu},
      {"relu2", Activation::kReluSquared},
      {"silu", Activation::kSilu},
      {"swish", Activation::kSilu}};
  const std::string name = config.TextOr(key, absent);
  const auto found = kNames.find(name);
  if (found != kNames.end()) return found->second;
  config.Fail(std::string(key) + ": unknown value '" + name + "'" +
              SuggestionSuffix(name, Keys(kNames)));
}

namespace {

/// Absent: what the class has, where a model can have it; null: as many as heads.
std::int64_t ReadKvHeads(const ConfigReader& config, const ConfigDefaults& defaults,
                         std::int64_t heads) {
  const bool absent = !config.Mentions("num_key_value_heads") && defaults.kv_heads > 0 &&
                      heads % defaults.kv_heads == 0;
  return config.IntOr("num_key_value_heads", absent ? defaults.kv_heads : heads);
}

void CheckHeads(const ConfigReader& config, const ConfigDefaults& defaults,
                const ModelDescription& d) {
  if (d.heads % d.kv_heads != 0) {
    config.Fail("num_key_value_heads " + std::to_string(d.kv_heads) + " does not divide " +
                defaults.heads + " " + std::to_string(d.heads));
  }
  if (!config.Has("head_dim") && defaults.head_dim == 0 && d.hidden % d.heads != 0) {
    config.Fail(std::string(defaults.heads) + " " + std::to_string(d.heads) + " does not divide " +
                defaults.hidden + " " + std::to_string(d.hidden));
  }
}

}  // namespace

ModelDescription ReadSizes(const ConfigReader& config, const ConfigDefaults& defaults) {
  const auto size = [&](const char* key, std::int64_t absent) {
    return absent == 0 ? config.Int(key) : config.IntOr(key, absent);
  };
  ModelDescription d;
  d.hidden = config.Int(defaults.hidden);
  d.layers = config.Int(defaults.layers);
  d.heads = size(defaults.heads, defaults.head_count);
  d.kv_heads = ReadKvHeads(config, defaults, d.heads);
  d.head_dim =
      config.IntOr("head_dim", defaults.head_dim > 0 ? defaults.head_dim : d.hidden / d.heads);
  d.vocab = size("vocab_size", defaults.vocab);
  d.max_positions = size(defaults.positions, defaults.max_positions);
  d.norm_eps = config.PositiveOr(defaults.norm_eps, defaults.eps);
  for (const char* key : {"is_causal", "use_bidirectional_attention"}) {
    const bool causal = std::string(key) == "is_causal";
    if (config.BoolOr(key, causal) == causal) continue;
    config.Fail(std::string(key) + ": " + (causal ? "false" : "true") +
                " is not supported: attention is causal here");
  }
  d.activation = ReadActivation(config, defaults.activation, defaults.act);
  d.tied_head = config.BoolOr("tie_word_embeddings", defaults.tied);
  d.bos_id = config.TokenId("bos_token_id");
  d.eos_id = config.TokenId("eos_token_id");
  d.windows.assign(static_cast<std::size_t>(d.layers), 0);
  CheckHeads(config, defaults, d);
  return d;
}

ConfigDefaults GptKeys(const ConfigReader& config) {
  ConfigDefaults keys;
  const auto pick = [&](const char** key, const char* own) {
    if (!config.Has(*key)) *key = own;
  };
  pick(&keys.hidden, "n_embd");
  pick(&keys.layers, "n_layer");
  pick(&keys.heads, "n_head");
  pick(&keys.positions, "n_positions");
  keys.norm_eps = "layer_norm_epsilon";
  keys.eps = 1e-5;
  keys.activation = "activation_function";
  keys.act = "gelu_new";
  return keys;
}

ModelDescription ReadCommon(const ConfigReader& config, const ConfigDefaults& defaults) {
  ModelDescription d = ReadSizes(config, defaults);
  d.intermediate = config.Int("intermediate_size");
  RequireEven(config, "head_dim", d.head_dim);
  ReadRope(config, &d, defaults.rope);
  return d;
}

}  // namespace roundlab
