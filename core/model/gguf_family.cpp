#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/model/families.h"
#include "core/model/families/llama.h"

namespace roundlab {
namespace {

std::int64_t IntegerOr(const GgufFile& gguf, const std::string& key, std::int64_t absent) {
  return gguf.Has(key) ? gguf.Integer(key) : absent;
}

std::optional<std::int32_t> TokenId(const GgufFile& gguf, const std::string& key) {
  if (!gguf.Has(key)) return std::nullopt;
  return static_cast<std::int32_t>(gguf.Integer(key));
}

std::int64_t VocabularySize(const GgufFile& gguf, const std::string& prefix) {
  if (gguf.Has(prefix + "vocab_size")) return gguf.Integer(prefix + "vocab_size");
  return static_cast<std::int64_t>(gguf.Strings("tokenizer.ggml.tokens").size());
}

}  // namespace

ModelDescription DescribeGguf(const GgufFile& gguf) {
  const std::string& family = gguf.String("general.architecture");
  const std::vector<std::string> known = {"llama", "qwen2", "qwen3"};
  if (family != "llama" && family != "qwen2" && family != "qwen3") {
    throw Error(gguf.path() + ": general.architecture: unknown architecture '" + family + "'" +
                SuggestionSuffix(family, known));
  }
  const std::string prefix = family + ".";
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = family;
  d.hidden = gguf.Integer(prefix + "embedding_length");
  d.intermediate = gguf.Integer(prefix + "feed_forward_length");
  d.layers = gguf.Integer(prefix + "block_count");
  d.heads = gguf.Integer(prefix + "attention.head_count");
  d.kv_heads = IntegerOr(gguf, prefix + "attention.head_count_kv", d.heads);
  if (d.hidden <= 0 || d.intermediate <= 0 || d.layers <= 0 || d.heads <= 0 || d.kv_heads <= 0 ||
      d.heads % d.kv_heads != 0) {
    throw Error(gguf.path() + ": sizes of " + family + " are not those of a model");
  }
  d.head_dim = IntegerOr(gguf, prefix + "attention.key_length", d.hidden / d.heads);
  d.vocab = VocabularySize(gguf, prefix);
  d.max_positions = gguf.Integer(prefix + "context_length");
  d.norm_eps = gguf.Real(prefix + "attention.layer_norm_rms_epsilon");
  if (gguf.Has(prefix + "rope.freq_base")) d.rope.theta = gguf.Real(prefix + "rope.freq_base");
  if (gguf.Has(prefix + "rope.scaling.type") &&
      gguf.String(prefix + "rope.scaling.type") != "none") {
    const std::string& type = gguf.String(prefix + "rope.scaling.type");
    if (type != "linear") {
      throw Error(gguf.path() + ": " + prefix + "rope.scaling.type: unknown value '" + type +
                  "' (known: linear, none)");
    }
    d.rope.type = RopeType::kLinear;
    d.rope.factor = gguf.Real(prefix + "rope.scaling.factor");
  }
  d.qkv_bias = family == "qwen2";
  d.qk_norm = family == "qwen3";
  d.tied_head = gguf.Find("output.weight") == nullptr;
  d.bos_id = TokenId(gguf, "tokenizer.ggml.bos_token_id");
  d.eos_id = TokenId(gguf, "tokenizer.ggml.eos_token_id");
  d.windows.assign(static_cast<std::size_t>(d.layers),
                   IntegerOr(gguf, prefix + "attention.sliding_window", 0));
  return d;
}

}  // namespace roundlab
