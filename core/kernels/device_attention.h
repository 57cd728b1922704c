#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/kernels/attention.h"

// Attention on a GPU. libtorch has flash attention for 16-bit values on sm_80 or newer; other
// values take the paths of reference.h and PackedAttentionReference.

namespace roundlab {

/// By dtype, width of a head and card.
bool HasFlashAttention(const at::Tensor& q);

/// As CausalAttention; gradient to all three. By flash attention with one order of sums where there
/// are gradients to come (graph) and operations are to be deterministic (device.h); else by cuDNN's
/// where libtorch prefers that, whose backward pass has no such order.
at::Tensor FlashAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const AttentionOptions& options, bool graph);

/// As PackedAttention: all segments in one call, those that share a prefix each with a copy of its
/// keys.
at::Tensor FlashPackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                const std::vector<Segment>& segments,
                                const AttentionOptions& options);

/// Which rows of q and of k and v each segment reads, one after the other, and where they begin.
struct PackedRows {
  std::vector<std::int64_t> queries;
  std::vector<std::int64_t> keys;
  std::vector<std::int32_t> query_starts;  ///< one more than segments
  std::vector<std::int32_t> key_starts;
  std::int64_t most_queries = 0;  ///< of a segment
  std::int64_t most_keys = 0;
};
PackedRows RowsOf(const std::vector<Segment>& segments);

}  // namespace roundlab
