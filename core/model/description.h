#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace roundlab {

/// Rotary position embedding, "half" layout over all of head_dim.
struct RopeDescription {
  std::string type = "default";  ///< default | linear | llama3
  double theta = 10000;
  double factor = 1;              ///< linear, llama3
  double low_freq_factor = 1;     ///< llama3
  double high_freq_factor = 4;    ///< llama3
  double original_positions = 0;  ///< llama3: context length before it was stretched
  std::vector<float> divisors;    ///< GGUF rope_freqs.weight: frequency k is divided by divisors[k]
};

/// Everything that tells one decoder from another. A family is a way to read this from a file, not
/// a class: there is one forward pass.
struct ModelDescription {
  std::string family;  ///< "llama", "mistral", "qwen2", "qwen3"
  std::int64_t hidden = 0;
  std::int64_t intermediate = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab = 0;
  std::int64_t max_positions = 0;
  double norm_eps = 1e-6;
  RopeDescription rope;
  std::vector<std::int64_t> windows;  ///< a layer: keys a query sees, its own counted; 0 all
  bool qkv_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;             ///< RMSNorm over each head of q and k before rotary
  std::string activation = "silu";  ///< of the gate: silu | gelu | gelu_tanh | relu
  bool tied_head = false;           ///< the head is the embedding
  std::optional<std::int32_t> bos_id;
  std::optional<std::int32_t> eos_id;

  /// [out, in] of a block's linear layers, in the order of DecoderBlock::LinearNames().
  std::vector<std::vector<std::int64_t>> LinearShapes() const;
  /// Weights of the linear layers in all blocks.
  std::int64_t LinearWeights() const;
  /// All weights: embedding, blocks, norms, head (once where tied).
  std::int64_t TotalWeights() const;
};

}  // namespace roundlab
