#pragma once

#include <ATen/ATen.h>

#include "core/quant/quantized_weight.h"

namespace roundlab::testing {

/// Same bits, so that a zero of another sign or a NaN counts as different.
inline bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() &&
         at::equal(a.detach().contiguous().view(at::kInt), b.detach().contiguous().view(at::kInt));
}

/// All parts the same bits, or absent in both.
inline bool SameWeights(QuantizedWeight a, QuantizedWeight b) {
  const auto of_a = a.Parts();
  const auto of_b = b.Parts();
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    const at::Tensor& one = *of_a[i].tensor;
    const at::Tensor& two = *of_b[i].tensor;
    if (one.defined() != two.defined()) return false;
    if (!one.defined()) continue;
    if (one.is_floating_point() ? !SameBits(one, two) : !at::equal(one, two)) return false;
  }
  return true;
}

inline QuantizedWeight CopyOf(QuantizedWeight weight) {
  for (const QuantizedWeight::Part& part : weight.Parts()) {
    if (part.tensor->defined()) *part.tensor = part.tensor->clone();
  }
  return weight;
}

}  // namespace roundlab::testing
