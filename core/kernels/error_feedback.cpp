#include "core/kernels/error_feedback.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "core/base/error.h"
#include "core/kernels/cuda/without_gradient.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

/// One row of a FeedbackBlock and what all rows share.
template <class T>
struct FeedbackRow {
  T* weight;
  const T* factor;
  const T* shift;  // or null
  const T* scale;
  const T* zero;
  const std::int64_t* group;
  T code_max;
  std::int64_t width;
  T* codes;
  T* error;
};

template <class T>
[[gnu::always_inline]] inline void RoundRow(const FeedbackRow<T>& row, std::int64_t begin,
                                            std::int64_t end) {
  T* const w = row.weight;
  for (std::int64_t i = begin; i < end; ++i) {
    const T s = row.scale[row.group[i]];
    const T z = row.zero[row.group[i]];
    const T* const u = row.factor + i * row.width;
    const T before = w[i];
    T code = std::nearbyint(before / s) + z;
    code = code < 0 ? T{0} : (code > row.code_max ? row.code_max : code);
    const T e = (before - s * (code - z)) / u[i];
    row.codes[i] = code;
    row.error[i] = e;
    for (std::int64_t j = i; j < row.width; ++j) w[j] -= e * u[j];
    if (row.shift == nullptr) continue;
    const T* const p = row.shift + i * row.width;
    for (std::int64_t j = i; j < row.width; ++j) w[j] += before * p[j];
  }
}

ROUNDLAB_SIMD void RoundRowOf(const FeedbackRow<float>& row, std::int64_t begin, std::int64_t end) {
  RoundRow(row, begin, end);
}
ROUNDLAB_SIMD void RoundRowOf(const FeedbackRow<double>& row, std::int64_t begin,
                              std::int64_t end) {
  RoundRow(row, begin, end);
}

template <class T>
void RoundRows(const FeedbackBlock& block, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = block.weight.size(1);
  const std::int64_t groups = block.scale.size(1);
  FeedbackRow<T> first;
  first.weight = block.weight.mutable_data_ptr<T>();
  first.factor = block.factor.const_data_ptr<T>();
  first.shift = block.shift.defined() ? block.shift.const_data_ptr<T>() : nullptr;
  first.scale = block.scale.const_data_ptr<T>();
  first.zero = block.zero.const_data_ptr<T>();
  first.group = block.group.const_data_ptr<std::int64_t>();
  first.code_max = static_cast<T>(block.code_max);
  first.width = width;
  first.codes = block.codes.mutable_data_ptr<T>();
  first.error = block.error.mutable_data_ptr<T>();
  const std::int64_t grain = RowGrain((end - begin) * width);
  at::parallel_for(0, block.weight.size(0), grain, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t r = from; r < to; ++r) {
      FeedbackRow<T> row = first;
      row.weight += r * width;
      row.scale += r * groups;
      row.zero += r * groups;
      row.codes += r * width;
      row.error += r * width;
      RoundRowOf(row, begin, end);
    }
  });
}

void CheckBlock(const FeedbackBlock& block) {
  const at::Tensor& w = block.weight;
  ROUNDLAB_CHECK(w.dim() == 2 && block.codes.sizes() == w.sizes() &&
                     block.error.sizes() == w.sizes() && block.scale.size(0) == w.size(0) &&
                     block.zero.sizes() == block.scale.sizes(),
                 "weight, codes and error [out, width], scale and zero [out, groups]");
  ROUNDLAB_CHECK(block.factor.dim() == 2 && block.factor.size(0) == w.size(1) &&
                     block.factor.size(1) == w.size(1) && block.group.numel() == w.size(1),
                 "factor [width, width], group [width]");
  for (const at::Tensor& t : {w, block.factor, block.shift, block.scale, block.zero, block.group,
                              block.codes, block.error}) {
    ROUNDLAB_CHECK(!t.defined() || t.is_contiguous(), "tensors must be contiguous");
  }
}

}  // namespace

void ErrorFeedback(const FeedbackBlock& block, std::int64_t begin, std::int64_t end) {
  CheckBlock(block);
  if (block.weight.is_cuda()) {
    const cuda::Kernels* const kernels = cuda::KernelsOn(block.weight.device());
    if (kernels != nullptr) return cuda::ErrorFeedback(*kernels, block, begin, end);
    return reference::ErrorFeedback(block, begin, end);
  }
  if (block.weight.scalar_type() == at::kDouble) {
    RoundRows<double>(block, begin, end);
  } else {
    RoundRows<float>(block, begin, end);
  }
}

void reference::ErrorFeedback(const FeedbackBlock& block, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = block.weight.size(1);
  const at::Tensor group = block.group.to(at::kCPU);
  for (std::int64_t i = begin; i < end; ++i) {
    const auto g = group[i].item<std::int64_t>();
    const at::Tensor s = block.scale.select(1, g);
    const at::Tensor z = block.zero.select(1, g);
    const at::Tensor w = block.weight.select(1, i).clone();
    const at::Tensor code = ((w / s).round() + z).clamp(0, block.code_max);
    const at::Tensor e = (w - s * (code - z)) / block.factor[i][i];
    block.codes.select(1, i).copy_(code);
    block.error.select(1, i).copy_(e);
    const at::Tensor rest = block.weight.narrow(1, i, width - i);
    rest.sub_(at::outer(e, block.factor[i].narrow(0, i, width - i)));
    if (block.shift.defined()) rest.add_(at::outer(w, block.shift[i].narrow(0, i, width - i)));
  }
}

}  // namespace roundlab
