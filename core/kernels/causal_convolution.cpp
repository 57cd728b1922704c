#include "core/kernels/causal_convolution.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// For each row of packed texts the row before it in its text, or `none`.
at::Tensor RowsBefore(const std::vector<Segment>& segments, std::int64_t none) {
  at::Tensor before = at::full({none}, none, at::kLong);
  auto* row = before.mutable_data_ptr<std::int64_t>();
  for (const auto& [own, prefix] : segments) {
    if (own.length == 0) continue;
    if (!prefix.empty()) row[own.begin] = prefix.back().begin + prefix.back().length - 1;
    for (std::int64_t i = 1; i < own.length; ++i) row[own.begin + i] = own.begin + i - 1;
  }
  return before;
}

}  // namespace

at::Tensor CausalConvolution(const at::Tensor& x, const at::Tensor& taps, const at::Tensor& bias,
                             const std::vector<Segment>* segments) {
  const std::int64_t rows = x.size(1);
  ROUNDLAB_CHECK(x.dim() == 3 && x.size(2) == taps.size(0), "x must be [batch, seq, channels]");
  at::Tensor shifted = x.to(at::kFloat);
  at::Tensor before;
  if (segments != nullptr) before = RowsBefore(*segments, rows).to(x.device());
  at::Tensor sum;
  for (std::int64_t tap = taps.size(1) - 1; tap >= 0; --tap) {
    const at::Tensor part = shifted * taps.select(1, tap);
    sum = sum.defined() ? sum + part : part;
    if (tap == 0) break;
    const at::Tensor padded =
        at::constant_pad_nd(shifted, segments == nullptr ? at::IntArrayRef({0, 0, 1, 0})
                                                         : at::IntArrayRef({0, 0, 0, 1}));
    shifted = segments == nullptr ? padded.narrow(1, 0, rows) : padded.index_select(1, before);
  }
  return bias.defined() ? sum + bias : sum;
}

}  // namespace roundlab
