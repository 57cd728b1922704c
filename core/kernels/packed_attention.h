#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roundlab {

/// Rows [begin, begin + length) of packed tokens.
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t length = 0;

  bool operator==(const RowRange&) const = default;
};

/// Rows of which each sees itself, those before it in `own`, and all rows of `prefix`, which lie
/// before it in the text, in that order. Many texts lie one after the other in one tensor, without
/// padding, and texts that begin alike share those rows.
struct Segment {
  RowRange own;
  std::vector<RowRange> prefix;
};

struct AttentionOptions {
  double scale = 1;         ///< of the products q k
  std::int64_t window = 0;  ///< keys a query sees, its own counted; 0 all
  double soft_cap = 0;      ///< c: scaled products become c tanh(product / c); 0 none
  /// A head: times the key's position in its text is added to the score (ALiBi); empty: nothing.
  std::vector<float> slopes = {};

  bool Plain() const { return soft_cap == 0 && slopes.empty(); }
};

/// softmax(scale q k^T) v over what each row sees, with the options' cap and slopes, for each head;
/// query head h reads key head h / (heads / kv_heads).
/// q [rows, heads, dim], k and v [rows, kv_heads, dim] -> [rows, heads, dim], of q's dtype: 16 bits
/// are mixed in float32 on the CPU, by flash attention on a GPU where there is neither cap nor
/// slope. Rows of no segment are 0. Results of a row depend on its segment and prefix only. No
/// gradient.
at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<Segment>& segments, const AttentionOptions& options);

/// Scores [..., heads, queries, keys] of keys that lie one after the other, with the options' cap
/// and slopes: what is between scaling and softmax. ATen ops that autograd differentiates.
at::Tensor Adjusted(const at::Tensor& scaled, const AttentionOptions& options);

/// PackedAttention in ATen ops, a segment at a time.
at::Tensor PackedAttentionReference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const std::vector<Segment>& segments,
                                    const AttentionOptions& options);

}  // namespace roundlab
