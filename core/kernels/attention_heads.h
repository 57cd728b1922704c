#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>

#include "core/kernels/attention.h"

// What the backward passes of attention share; not for other folders.

namespace roundlab {

struct AttentionGradients {
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
};

/// Where the numbers of texts and heads lie: q and d_output [batch, seq, heads, dim], k and v
/// [batch, seq, kv_heads, dim], contiguous, and gradients alike.
template <class T>
struct AttentionHeads {
  AttentionHeads(const at::Tensor& q_of_all, const at::Tensor& k_of_all, const at::Tensor& v_of_all,
                 const at::Tensor& d_output, const AttentionOptions& given,
                 const AttentionGradients& gradients)
      : q(q_of_all.const_data_ptr<T>()),
        k(k_of_all.const_data_ptr<T>()),
        v(v_of_all.const_data_ptr<T>()),
        dy(d_output.const_data_ptr<T>()),
        dq(gradients.q.mutable_data_ptr<T>()),
        dk(gradients.k.mutable_data_ptr<T>()),
        dv(gradients.v.mutable_data_ptr<T>()),
        options(given),
        seq(q_of_all.size(1)),
        dim(q_of_all.size(3)),
        q_stride(q_of_all.size(2) * dim),
        kv_stride(k_of_all.size(2) * dim),
        group(q_of_all.size(2) / k_of_all.size(2)) {}

  /// The first key that a query sees.
  std::int64_t FirstKey(std::int64_t query) const {
    return options.window > 0 ? std::max<std::int64_t>(0, query + 1 - options.window) : 0;
  }

  const T* q;
  const T* k;
  const T* v;
  const T* dy;
  T* dq;
  T* dk;
  T* dv;
  AttentionOptions options;
  std::int64_t seq;
  std::int64_t dim;
  std::int64_t q_stride;
  std::int64_t kv_stride;
  std::int64_t group;  ///< query heads a key head
};

/// Gradients to be filled, of inputs whose shapes are checked.
AttentionGradients EmptyGradients(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const at::Tensor& d_output);

}  // namespace roundlab
