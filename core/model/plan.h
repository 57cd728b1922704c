#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/model/layer_plan.h"

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
};

struct AttentionPlan {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  double scale = 1;         ///< of q k
  std::int64_t window = 0;  ///< keys a query sees, its own counted; 0 all
  double soft_cap = 0;      ///< c: scores become c tanh(score / c); 0 none
  bool alibi = false;
  RotaryStyle rotary = RotaryStyle::kHalf;
  std::int64_t rotary_dim = 0;  ///< the first dimensions of a head; the others pass
  std::size_t rope = 0;         ///< which of the model's rotary tables
  FusedLayout layout = FusedLayout::kBlocks;
};

enum class Activation { kSilu, kGelu, kGeluTanh, kRelu, kQuickGelu, kReluSquared };

/// The experts of an MLP: those with the largest of softmax(router x) are summed, so weighted.
struct ExpertsPlan {
  std::string router;  ///< name in the checkpoint without ".weight", [count, hidden]; not a slot
  std::int64_t count = 0;
  std::int64_t used = 0;  ///< by a token
  bool normalize = true;  ///< weights of those used sum to 1
};

struct MlpPlan {
  bool gated = true;  ///< down(act(gate(x)) * up(x)), else down(act(up(x)))
  Activation activation = Activation::kSilu;
  std::optional<ExpertsPlan> experts;
};

/// All that tells one decoder block from another. There is one forward pass (DecoderBlock):
///   a = x + on_attention(attention(before_attention(x))),  a = after_attention(a)
///   y = a + on_mlp(mlp(before_mlp(a))),                    y = after_mlp(y)
/// each norm where the plan has it; parallel: y = x + attention(before_attention(x)) +
/// mlp(before_mlp(x)), of one norm's output where there is but one.
struct BlockPlan {
  std::vector<LinearPlan> linears;  ///< in the order in which they run
  std::vector<NormPlan> norms;
  bool parallel = false;
  bool residual_of_norm = false;  ///< what is added to is the norm's output (Bloom)
  AttentionPlan attention;
  MlpPlan mlp;

  const NormPlan* Norm(NormPlace place) const;  ///< null where there is none
  /// One more than the largest LinearPlan::input.
  std::size_t InputCount() const;
};

/// What is before the first block and after the last. Names as in the checkpoint without
/// ".weight", empty where there is none.
struct EndsPlan {
  std::string embedding = "model.embed_tokens";
  std::int64_t embedding_width = 0;  ///< hidden where 0; else there are projections
  double embedding_scale = 1;
  std::string positions;  ///< learned: row position + position_offset is added
  std::int64_t position_rows = 0;
  std::int64_t position_offset = 0;
  std::string project_in;   ///< [hidden, embedding_width], no bias
  std::string project_out;  ///< [embedding_width, hidden], after the final norm
  std::optional<NormPlan> embedding_norm;
  std::optional<NormPlan> final_norm;
  std::string head = "lm_head";  ///< not read where it is tied
  bool head_bias = false;
  double logit_soft_cap = 0;  ///< c: logits become c tanh(logit / c); 0 none
};

}  // namespace roundlab
