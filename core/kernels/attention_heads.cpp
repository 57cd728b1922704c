#include "core/kernels/attention_heads.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace roundlab {

AttentionGradients EmptyGradients(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const at::Tensor& d_output) {
  ROUNDLAB_CHECK(q.dim() == 4 && q.sizes() == d_output.sizes() && k.sizes() == v.sizes() &&
                     k.size(0) == q.size(0) && k.size(1) == q.size(1) && k.size(3) == q.size(3) &&
                     q.size(2) % k.size(2) == 0,
                 "q must be [batch, seq, heads, dim], k and v [batch, seq, kv_heads, dim]");
  return {at::empty_like(q), at::empty_like(k), at::empty_like(v)};
}

}  // namespace roundlab
