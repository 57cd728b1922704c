#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace roundlab {

enum class RotaryStyle {
  kNone,
  kHalf,  ///< dimension k turns with k + rotary_dim / 2
  kPair,  ///< 2k with 2k + 1
};

/// Rows of a stored query_key_value matrix.
enum class FusedLayout {
  kBlocks,    ///< all of q, all of k, all of v
  kPerGroup,  ///< for each key head: the query heads that read it, k, v
  kQuarters,  ///< four times: a quarter of the heads of q, as many of v, as many of k (CodeGen)
};

struct AttentionPlan {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;   ///< of queries and keys
  std::int64_t value_dim = 0;  ///< of values, head_dim at most
  /// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): the width of the
  /// latent that keys and values are made of; the dimensions that turn are the same in all heads'
  /// keys, and are beside the latent. 0: keys and values are made of what attention is fed.
  std::int64_t latent = 0;
  double scale = 1;         ///< of q k
  std::int64_t window = 0;  ///< keys a query sees, its own counted; 0 all
  /// Positions are cut into chunks of so many, and a query sees keys of its own alone; 0: no cuts.
  std::int64_t chunk = 0;
  double soft_cap = 0;  ///< c: scores become c tanh(score / c); 0 none
  bool alibi = false;
  std::string sinks = {};  ///< name in the checkpoint of AttentionOptions::sinks; empty: none
  RotaryStyle rotary = RotaryStyle::kHalf;
  std::int64_t rotary_dim = 0;    ///< so many dimensions of a head turn; the others pass
  std::int64_t rotary_begin = 0;  ///< the first of them
  std::size_t rope = 0;           ///< which of the model's rotary tables
  FusedLayout layout = FusedLayout::kBlocks;
  /// What attention gives is multiplied by the sigmoid of gates: kQuery has rows of each head's
  /// query, then of its gate (Qwen3-Next), or they are kAttentionGate's (Trinity).
  bool gated = false;
  bool gate_apart = false;
  bool gate_per_head = false;      ///< a gate for all of a head's values (Laguna)
  bool softplus_gate = false;      ///< softplus in the sigmoid's place
  bool tempered = false;           ///< queries are multiplied as TemperDescription says
  bool norm_after_rotary = false;  ///< of q and k, where they have norms
  double clip = 0;  ///< c: q, k and v, after their norms, are held to [-c, c]; 0 none
};

/// A fused matrix in heads: `groups` times so many rows of heads, q, k and v beginning where told.
struct FusedHeads {
  std::int64_t groups;
  std::int64_t queries;  ///< heads of q in a group
  std::int64_t keys;     ///< heads of k in a group, and of v
  std::int64_t key;      ///< the group's first head of k
  std::int64_t value;

  std::int64_t Size() const { return queries + 2 * keys; }
};

FusedHeads HeadsOf(const AttentionPlan& attention);

}  // namespace roundlab
