#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/kernels/attention.h"

namespace roundlab {

/// softmax(scale q k^T) v over what each row sees, with the options' cap, slopes and sinks, a head;
/// query head h reads key head h / (heads / kv_heads).
/// q [rows, heads, dim], k and v [rows, kv_heads, dim] -> [rows, heads, dim], of q's dtype: 16 bits
/// are mixed as in float32 on the CPU, by flash attention on a GPU where the options are plain.
/// Rows of no segment are 0. Results of a row depend on its segment and prefix only. No gradient.
at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<Segment>& segments, const AttentionOptions& options);

/// Segments that see what these see in chunks (AttentionOptions::chunk): each is cut where a chunk
/// of its text ends, and has those rows of its prefix that are of its chunk.
std::vector<Segment> InChunks(const std::vector<Segment>& segments, std::int64_t chunk);

/// Weights of values of scaled products [..., heads, queries, keys] with keys that lie one after
/// the other: the options' cap, slopes and sinks, and softmax; 0 where `hidden` [queries, keys],
/// which may be undefined. ATen ops that autograd differentiates.
at::Tensor AttentionWeights(const at::Tensor& scaled, const at::Tensor& hidden,
                            const AttentionOptions& options);

/// PackedAttention in ATen ops, a segment at a time.
at::Tensor PackedAttentionReference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const std::vector<Segment>& segments,
                                    const AttentionOptions& options);

}  // namespace roundlab
