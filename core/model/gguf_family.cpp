#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/formats/gguf_checkpoint.h"
#include "core/model/families.h"
#include "core/model/families/llama.h"

namespace roundlab {
namespace {

constexpr std::int64_t kLargestSize = 1 << 24;  // so that products of two fit

/// Metadata of one architecture: keys are told without their "llama.".
class GgufKeys {
 public:
  GgufKeys(const GgufFile& gguf, const std::string& architecture)
      : gguf_(gguf), prefix_(architecture + ".") {}

  [[noreturn]] void Fail(const std::string& key, const std::string& message) const {
    throw Error(gguf_.path() + ": " + prefix_ + key + ": " + message);
  }
  bool Has(const std::string& key) const { return gguf_.Has(prefix_ + key); }
  std::int64_t Size(const std::string& key) const {
    const std::int64_t value = gguf_.Integer(prefix_ + key);
    if (value < 1) Fail(key, "expected a positive integer, got " + std::to_string(value));
    if (value > kLargestSize) {
      Fail(key, std::to_string(value) + " is above " + std::to_string(kLargestSize));
    }
    return value;
  }
  std::int64_t SizeOr(const std::string& key, std::int64_t absent) const {
    return Has(key) ? Size(key) : absent;
  }
  double Real(const std::string& key) const { return gguf_.Real(prefix_ + key); }
  double Positive(const std::string& key) const {
    if (!(Real(key) > 0)) Fail(key, "expected a positive number");
    return Real(key);
  }
  bool Bool(const std::string& key) const { return gguf_.Bool(prefix_ + key); }
  const std::string& String(const std::string& key) const { return gguf_.String(prefix_ + key); }

 private:
  const GgufFile& gguf_;
  std::string prefix_;
};

std::optional<std::int32_t> TokenId(const GgufFile& gguf, const std::string& key) {
  if (!gguf.Has(key)) return std::nullopt;
  return static_cast<std::int32_t>(gguf.Integer(key));
}

/// A number that is there but is not what makes no difference.
struct Neutral {
  const char* key;
  double value;
};

/// Refuses keys by which llama.cpp computes something else (llama-model.cpp, load_hparams).
void CheckNeutral(const GgufKeys& keys, const ModelDescription& d) {
  constexpr std::array<Neutral, 12> kNeutral = {{{"expert_count", 0},
                                                 {"attention.clamp_kqv", 0},
                                                 {"attention.max_alibi_bias", 0},
                                                 {"attention.scale", 0},
                                                 {"attn_logit_softcapping", 0},
                                                 {"final_logit_softcapping", 0},
                                                 {"logit_scale", 0},
                                                 {"residual_scale", 0},
                                                 {"embedding_scale", 0},
                                                 {"rope.scaling.attn_factor", 1},
                                                 {"rope.scaling.yarn_ext_factor", 0},
                                                 {"rope.scaling.yarn_attn_factor", 1}}};
  for (const Neutral& neutral : kNeutral) {
    if (!keys.Has(neutral.key) || keys.Real(neutral.key) == neutral.value) continue;
    keys.Fail(neutral.key, "not supported for this architecture");
  }
  if (keys.Has("attention.causal") && !keys.Bool("attention.causal")) {
    keys.Fail("attention.causal", "false is not supported: attention is causal here");
  }
  // A window alone is passed over, as llama.cpp does for these architectures.
  const char* pattern = "attention.sliding_window_pattern";
  if (keys.Has(pattern) && keys.Has("attention.sliding_window") &&
      keys.Real("attention.sliding_window") != 0) {
    keys.Fail(pattern, "not supported for this architecture");
  }
  for (const char* key : {"rope.dimension_count", "attention.value_length"}) {
    const std::int64_t dimensions = keys.SizeOr(key, d.head_dim);
    if (dimensions == d.head_dim) continue;
    keys.Fail(key, std::to_string(dimensions) + " is not supported: expected the head's " +
                       std::to_string(d.head_dim));
  }
}

/// The type is linear where it is absent; the factor has had two keys. 0 is as none.
void ReadScaling(const GgufKeys& keys, RopeDescription* rope) {
  const char* factor =
      keys.Has("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
  const std::string type =
      keys.Has("rope.scaling.type") ? keys.String("rope.scaling.type") : "linear";
  if (type == "none") return;
  if (type != "linear") {
    keys.Fail("rope.scaling.type", "unknown value '" + type + "' (known: linear, none)");
  }
  if (!keys.Has(factor) || keys.Real(factor) == 0) return;
  rope->type = RopeType::kLinear;
  rope->factor = keys.Positive(factor);
}

ModelDescription ReadGgufSizes(const GgufFile& gguf, const GgufKeys& keys) {
  ModelDescription d;
  d.hidden = keys.Size("embedding_length");
  d.intermediate = keys.Size("feed_forward_length");
  d.layers = keys.Size("block_count");
  d.heads = keys.Size("attention.head_count");
  d.kv_heads = keys.SizeOr("attention.head_count_kv", d.heads);
  if (d.heads % d.kv_heads != 0) {
    keys.Fail("attention.head_count_kv", std::to_string(d.kv_heads) +
                                             " does not divide attention.head_count " +
                                             std::to_string(d.heads));
  }
  if (!keys.Has("attention.key_length") && d.hidden % d.heads != 0) {
    keys.Fail(
        "attention.head_count",
        std::to_string(d.heads) + " does not divide embedding_length " + std::to_string(d.hidden));
  }
  d.head_dim = keys.SizeOr("attention.key_length", d.hidden / d.heads);
  if (d.head_dim % 2 != 0) {
    keys.Fail("attention.head_count",
              "a head has " + std::to_string(d.head_dim) + " dimensions, expected an even number");
  }
  d.vocab = keys.Has("vocab_size")
                ? keys.Size("vocab_size")
                : static_cast<std::int64_t>(gguf.Strings("tokenizer.ggml.tokens").size());
  d.max_positions = keys.Size("context_length");
  d.norm_eps = keys.Positive("attention.layer_norm_rms_epsilon");
  d.windows.assign(static_cast<std::size_t>(d.layers), 0);
  return d;
}

/// Llama's layers have the biases that the file has.
void UseBiasesOf(const GgufFile& gguf, ModelDescription* d) {
  std::set<std::string> biased;
  for (const TensorView& tensor : gguf.tensors()) biased.insert(HfName(tensor.name));
  d->block_plan = [biased](const ModelDescription& m, std::int64_t block) {
    BlockPlan plan = LlamaBlock(m, block);
    for (LinearPlan& linear : plan.linears) {
      linear.bias = linear.bias || biased.count(linear.name + ".bias") > 0;
    }
    return plan;
  };
}

}  // namespace

ModelDescription DescribeGguf(const GgufFile& gguf) {
  const std::string& family = gguf.String("general.architecture");
  const std::vector<std::string>& known = GgufArchitectures();
  if (std::count(known.begin(), known.end(), family) == 0) {
    throw Error(gguf.path() + ": general.architecture: unknown architecture '" + family + "'" +
                SuggestionSuffix(family, known));
  }
  const GgufKeys keys(gguf, family);
  ModelDescription d = ReadGgufSizes(gguf, keys);
  d.family = family;
  UseLlamaPlans(&d);
  CheckNeutral(keys, d);
  if (keys.Has("rope.freq_base")) d.rope.theta = keys.Positive("rope.freq_base");
  ReadScaling(keys, &d.rope);
  d.qkv_bias = family == "qwen2";
  d.qk_norm = family == "qwen3";
  if (family == "llama") UseBiasesOf(gguf, &d);
  d.tied_head = gguf.Find("output.weight") == nullptr;
  d.bos_id = TokenId(gguf, "tokenizer.ggml.bos_token_id");
  d.eos_id = TokenId(gguf, "tokenizer.ggml.eos_token_id");
  d.naming.complete = true;
  d.naming.other_parts = {"rope_freqs.weight"};
  return d;
}

}  // namespace roundlab
