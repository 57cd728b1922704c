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
};

/// softmax(scale q k^T) v over what each row sees, for each head; query head h reads key head
/// h / (heads / kv_heads).
/// q [rows, heads, dim], k and v [rows, kv_heads, dim], float32 contiguous -> [rows, heads, dim].
/// Rows of no segment are 0. Results of a row depend on its segment and prefix only. No gradient.
at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<Segment>& segments, const AttentionOptions& options);

/// The same in ATen ops, a segment at a time.
at::Tensor PackedAttentionReference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const std::vector<Segment>& segments,
                                    const AttentionOptions& options);

}  // namespace roundlab
