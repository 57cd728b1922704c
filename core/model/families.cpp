#include "core/model/families.h"

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/base/suggest.h"
#include "core/formats/json.h"

namespace roundlab {
namespace {

using nlohmann::json;

/// config.json with errors that name file and key.
class ConfigReader {
 public:
  ConfigReader(json root, std::string file) : root_(std::move(root)), file_(std::move(file)) {}

  [[noreturn]] void Fail(const std::string& message) const { throw Error(file_ + ": " + message); }

  bool Has(const char* key) const {
    const auto found = root_.find(key);
    return found != root_.end() && !found->is_null();
  }
  const json& Object(const char* key) const {
    const json& value = root_.at(key);
    if (!value.is_object()) Fail(std::string(key) + ": expected an object");
    return value;
  }
  const json& root() const { return root_; }
  ConfigReader Inside(const char* key) const { return {Object(key), file_ + ": " + key}; }

  std::int64_t Int(const char* key) const {
    if (!Has(key)) Fail("missing key '" + std::string(key) + "'");
    const json& value = root_.at(key);
    if (!value.is_number_integer() || value < 1) {
      Fail(std::string(key) + ": expected a positive integer, got " + value.dump());
    }
    if (value > kLargest) {
      Fail(std::string(key) + ": " + value.dump() + " is above " + std::to_string(kLargest));
    }
    return value.get<std::int64_t>();
  }
  std::int64_t IntOr(const char* key, std::int64_t absent) const {
    return Has(key) ? Int(key) : absent;
  }
  double Positive(const char* key) const {
    if (!Has(key)) Fail("missing key '" + std::string(key) + "'");
    const json& value = root_.at(key);
    if (!value.is_number() || !(value.get<double>() > 0)) {
      Fail(std::string(key) + ": expected a positive number, got " + value.dump());
    }
    return value.get<double>();
  }
  double PositiveOr(const char* key, double absent) const {
    return Has(key) ? Positive(key) : absent;
  }
  bool BoolOr(const char* key, bool absent) const {
    if (!Has(key)) return absent;
    const json& value = root_.at(key);
    if (!value.is_boolean())
      Fail(std::string(key) + ": expected true or false, got " + value.dump());
    return value.get<bool>();
  }
  std::string TextOr(const char* key, const std::string& absent) const {
    if (!Has(key)) return absent;
    const json& value = root_.at(key);
    if (!value.is_string()) Fail(std::string(key) + ": expected a text, got " + value.dump());
    return value.get<std::string>();
  }
  /// One id, or the first of a list.
  std::optional<std::int32_t> TokenId(const char* key) const {
    if (!Has(key)) return std::nullopt;
    const json& value =
        root_.at(key).is_array() && !root_.at(key).empty() ? root_.at(key).front() : root_.at(key);
    if (!value.is_number_integer()) return std::nullopt;
    return value.get<std::int32_t>();
  }

 private:
  static constexpr std::int64_t kLargest = 1 << 24;  // so that products of two fit
  json root_;
  std::string file_;
};

RopeDescription ReadRope(const ConfigReader& config) {
  RopeDescription rope;
  rope.theta = config.PositiveOr("rope_theta", 10000);
  const bool scaled = config.Has("rope_scaling");
  if (scaled && config.Has("rope_parameters") &&
      config.root().at("rope_scaling") != config.root().at("rope_parameters")) {
    config.Fail("rope_scaling and rope_parameters are both there, and differ");
  }
  const char* key = scaled ? "rope_scaling" : "rope_parameters";
  if (!config.Has(key)) return rope;
  const ConfigReader inner = config.Inside(key);
  rope.theta = inner.PositiveOr("rope_theta", rope.theta);
  rope.type = inner.TextOr("rope_type", inner.TextOr("type", "default"));
  if (inner.PositiveOr("partial_rotary_factor", 1) != 1) {
    inner.Fail("partial_rotary_factor: only 1 is supported for this family");
  }
  if (rope.type == "default") return rope;
  if (rope.type != "linear" && rope.type != "llama3") {
    inner.Fail("rope_type: unknown value '" + rope.type + "'" +
               SuggestionSuffix(rope.type, {"default", "linear", "llama3"}));
  }
  rope.factor = inner.Positive("factor");
  if (rope.type == "llama3") {
    rope.low_freq_factor = inner.Positive("low_freq_factor");
    rope.high_freq_factor = inner.Positive("high_freq_factor");
    // transformers 5.23 takes that of the model, where there is one.
    const char* original = "original_max_position_embeddings";
    rope.original_positions = config.PositiveOr(original, 0);
    if (!config.Has(original)) rope.original_positions = inner.Positive(original);
    if (rope.high_freq_factor <= rope.low_freq_factor) {
      inner.Fail("high_freq_factor must be above low_freq_factor");
    }
  }
  return rope;
}

std::string ReadActivation(const ConfigReader& config) {
  static const std::map<std::string, std::string> kNames = {{"silu", "silu"},
                                                            {"swish", "silu"},
                                                            {"gelu", "gelu"},
                                                            {"gelu_new", "gelu_tanh"},
                                                            {"gelu_pytorch_tanh", "gelu_tanh"},
                                                            {"relu", "relu"}};
  const std::string name = config.TextOr("hidden_act", "silu");
  const auto found = kNames.find(name);
  if (found != kNames.end()) return found->second;
  config.Fail("hidden_act: unknown value '" + name + "'" + SuggestionSuffix(name, Keys(kNames)));
}

/// What all families of the llama type share.
ModelDescription ReadCommon(const ConfigReader& config) {
  ModelDescription d;
  d.hidden = config.Int("hidden_size");
  d.intermediate = config.Int("intermediate_size");
  d.layers = config.Int("num_hidden_layers");
  d.heads = config.Int("num_attention_heads");
  d.kv_heads = config.IntOr("num_key_value_heads", d.heads);
  d.head_dim = config.IntOr("head_dim", d.hidden / d.heads);
  d.vocab = config.Int("vocab_size");
  d.max_positions = config.Int("max_position_embeddings");
  d.norm_eps = config.PositiveOr("rms_norm_eps", 1e-6);
  if (!config.BoolOr("is_causal", true)) {
    config.Fail("is_causal: false is not supported: attention is causal here");
  }
  d.rope = ReadRope(config);
  d.activation = ReadActivation(config);
  d.tied_head = config.BoolOr("tie_word_embeddings", false);
  d.bos_id = config.TokenId("bos_token_id");
  d.eos_id = config.TokenId("eos_token_id");
  d.windows.assign(static_cast<std::size_t>(d.layers), 0);
  if (d.heads % d.kv_heads != 0) {
    config.Fail("num_key_value_heads " + std::to_string(d.kv_heads) +
                " does not divide num_attention_heads " + std::to_string(d.heads));
  }
  if (!config.Has("head_dim") && d.hidden % d.heads != 0) {
    config.Fail("num_attention_heads " + std::to_string(d.heads) + " does not divide hidden_size " +
                std::to_string(d.hidden));
  }
  if (d.head_dim % 2 != 0) config.Fail("head_dim " + std::to_string(d.head_dim) + " is odd");
  return d;
}

/// Sliding windows as `layer_types` says, or where it is absent as `slides` says a layer.
void ReadWindows(const ConfigReader& config, std::int64_t window,
                 const std::function<bool(std::int64_t)>& slides, ModelDescription* d) {
  const bool listed = config.Has("layer_types");
  if (listed && !config.root().at("layer_types").is_array()) {
    config.Fail("layer_types: expected an array");
  }
  if (listed && config.root().at("layer_types").size() != d->windows.size()) {
    config.Fail("layer_types: expected " + std::to_string(d->layers) + " entries, got " +
                std::to_string(config.root().at("layer_types").size()));
  }
  for (std::size_t i = 0; i < d->windows.size(); ++i) {
    bool sliding = slides(static_cast<std::int64_t>(i));
    if (listed) {
      const json& type = config.root().at("layer_types").at(i);
      sliding = type == "sliding_attention";
      if (!sliding && type != "full_attention") {
        config.Fail("layer_types: unknown value " + type.dump() +
                    " (known: full_attention, sliding_attention)");
      }
    }
    if (sliding) d->windows[i] = window;
  }
}

ModelDescription ReadLlama(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config);
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  d.mlp_bias = config.BoolOr("mlp_bias", false);
  return d;
}

ModelDescription ReadMistral(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config);
  // The class default is 4096 where the key is absent, and no window where it is null.
  const bool absent = config.root().find("sliding_window") == config.root().end();
  const std::int64_t window = absent ? 4096 : config.IntOr("sliding_window", 0);
  ReadWindows(
      config, window, [&](std::int64_t) { return window > 0; }, &d);
  return d;
}

void ReadQwenWindows(const ConfigReader& config, ModelDescription* d) {
  const bool use = config.BoolOr("use_sliding_window", false);
  const bool absent = config.root().find("sliding_window") == config.root().end();
  const std::int64_t window = !use ? 0 : (absent ? 4096 : config.IntOr("sliding_window", 0));
  std::int64_t first = 28;
  if (config.Has("max_window_layers")) {
    const json& value = config.root().at("max_window_layers");
    if (!value.is_number_integer()) {
      config.Fail("max_window_layers: expected an integer, got " + value.dump());
    }
    first = value.get<std::int64_t>();
  }
  ReadWindows(
      config, window, [&](std::int64_t i) { return window > 0 && i >= first; }, d);
}

ModelDescription ReadQwen2(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config);
  d.qkv_bias = true;
  ReadQwenWindows(config, &d);
  return d;
}

ModelDescription ReadQwen3(const ConfigReader& config) {
  ModelDescription d = ReadCommon(config);
  if (!config.Has("head_dim")) d.head_dim = 128;  // the class default, whatever hidden / heads is
  d.qk_norm = true;
  d.qkv_bias = d.output_bias = config.BoolOr("attention_bias", false);
  ReadQwenWindows(config, &d);
  return d;
}

using FamilyReader = ModelDescription (*)(const ConfigReader&);
const std::map<std::string, FamilyReader>& Families() {
  static const std::map<std::string, FamilyReader> kFamilies = {
      {"llama", ReadLlama}, {"mistral", ReadMistral}, {"qwen2", ReadQwen2}, {"qwen3", ReadQwen3}};
  return kFamilies;
}

}  // namespace

std::vector<std::string> SupportedFamilies() { return Keys(Families()); }

ModelDescription DescribeHuggingFace(const std::string& text, const std::string& file) {
  json root = ParseJson(text, file);
  if (!root.is_object()) throw Error(file + ": expected an object");
  const ConfigReader config(std::move(root), file);
  if (!config.Has("model_type")) config.Fail("missing key 'model_type'");
  const std::string family = config.TextOr("model_type", "");
  const auto found = Families().find(family);
  if (found == Families().end()) {
    config.Fail("model_type: unknown architecture '" + family + "'" +
                SuggestionSuffix(family, SupportedFamilies()));
  }
  ModelDescription d = found->second(config);
  d.family = family;
  return d;
}

}  // namespace roundlab
