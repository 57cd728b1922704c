#include "core/formats/gguf_checkpoint.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "core/base/error.h"
#include "core/base/keys.h"

namespace roundlab {
namespace {

using NamePair = std::pair<std::string_view, std::string_view>;

// Parts of the names, as of convert_hf_to_gguf.py (gguf-py tensor_mapping.py).
constexpr std::array<NamePair, 3> kOutside = {{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
}};
constexpr std::array<NamePair, 11> kInBlock = {{
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"attn_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
}};

template <std::size_t size>
std::string_view Lookup(const std::array<NamePair, size>& pairs, std::string_view name) {
  for (const auto& [from, to] : pairs) {
    if (from == name) return to;
  }
  return {};
}

/// out[h, j, i] = in[h, i, j] for h < heads, j < 2, i < D/2, each a row: what undoes
/// convert_hf_to_gguf's W.reshape(heads, 2, D/2, in).swapaxes(1, 2).
void UndoRotaryOrder(const std::vector<float>& in, std::size_t heads, std::size_t rows,
                     std::span<float> out) {
  const std::size_t width = in.size() / rows;
  const std::size_t half = rows / heads / 2;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t head = row / (2 * half);
    const std::size_t j = row / half % 2;
    const std::size_t i = row % half;
    const std::size_t source = head * 2 * half + 2 * i + j;
    std::copy_n(in.begin() + static_cast<std::ptrdiff_t>(source * width), width,
                out.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
}

class GgufCheckpoint : public Checkpoint {
 public:
  explicit GgufCheckpoint(const std::string& path) : file_(path) {
    const std::string architecture =
        file_.Has("general.architecture") ? file_.String("general.architecture") : "";
    const std::vector<std::string>& known = GgufArchitectures();
    const bool renames = std::count(known.begin(), known.end(), architecture) > 0;
    permuted_ = architecture == "llama";
    if (file_.Has("split.count") && file_.Integer("split.count") > 1) {
      throw Error(path + ": is one of " + std::to_string(file_.Integer("split.count")) +
                  " parts of a model, expected a model in one file");
    }
    for (TensorView tensor : file_.tensors()) {
      if (renames) tensor.name = HfName(tensor.name);
      const std::string name = tensor.name;
      if (tensors_.emplace(name, std::move(tensor)).second) continue;
      throw Error(path + ": two tensors have the name '" + name + "'");
    }
  }

  const TensorView* Find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }

  std::vector<std::string> Names() const override { return Keys(tensors_); }

  using Checkpoint::Read;
  void Read(std::string_view name, std::span<float> out) const override {
    const TensorView& tensor = Get(name, file_.path());
    const std::int64_t heads = PermutedHeads(tensor);
    if (heads == 0 || out.empty()) {  // a file may claim any number of rows of no elements
      ReadFinite(tensor, out);
      return;
    }
    std::vector<float> stored(out.size());
    ReadFinite(tensor, stored);
    UndoRotaryOrder(stored, static_cast<std::size_t>(heads),
                    static_cast<std::size_t>(tensor.shape.front()), out);
  }

  const GgufFile* gguf() const override { return &file_; }

 private:
  /// Number of heads whose rows are permuted within `tensor`; 0 where none are.
  std::int64_t PermutedHeads(const TensorView& tensor) const {
    const bool is_q = tensor.name.ends_with(".self_attn.q_proj.weight") ||
                      tensor.name.ends_with(".self_attn.q_proj.bias");
    const bool is_k = tensor.name.ends_with(".self_attn.k_proj.weight") ||
                      tensor.name.ends_with(".self_attn.k_proj.bias");
    if (!permuted_ || (!is_q && !is_k)) return 0;
    const char* key = is_k && file_.Has("llama.attention.head_count_kv")
                          ? "llama.attention.head_count_kv"
                          : "llama.attention.head_count";
    const std::int64_t heads = file_.Integer(key);
    const std::int64_t rows = tensor.shape.empty() ? 0 : tensor.shape.front();
    if (heads < 1 || rows < 1 || rows % heads != 0 || rows / heads % 2 != 0) {
      throw Error(file_.path() + ": tensor '" + tensor.name + "' of shape " +
                  ShapeText(tensor.shape) + " has not an even number of rows for each of the " +
                  std::to_string(heads) + " heads of " + key);
    }
    return heads;
  }

  GgufFile file_;
  bool permuted_ = false;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

}  // namespace

std::string HfName(std::string_view gguf_name) {
  std::string own(gguf_name);
  const std::size_t last_dot = gguf_name.rfind('.');
  if (last_dot == std::string_view::npos) return own;
  const std::string_view kind = gguf_name.substr(last_dot);
  if (kind != ".weight" && kind != ".bias") return own;
  std::string_view part = gguf_name.substr(0, last_dot);
  if (const auto name = Lookup(kOutside, part); !name.empty()) {
    return std::string(name) + std::string(kind);
  }
  if (!part.starts_with("blk.")) return own;
  part.remove_prefix(4);
  const std::size_t dot = part.find('.');
  if (dot == std::string_view::npos || dot == 0) return own;
  const std::string_view block = part.substr(0, dot);
  if (block.find_first_not_of("0123456789") != std::string_view::npos) return own;
  const auto name = Lookup(kInBlock, part.substr(dot + 1));
  if (name.empty()) return own;
  return "model.layers." + std::string(block) + "." + std::string(name) + std::string(kind);
}

const std::vector<std::string>& GgufArchitectures() {
  static const std::vector<std::string> kKnown = {"llama", "qwen2", "qwen3"};
  return kKnown;
}

std::unique_ptr<Checkpoint> OpenGgufCheckpoint(const std::string& path) {
  return std::make_unique<GgufCheckpoint>(path);
}

}  // namespace roundlab
