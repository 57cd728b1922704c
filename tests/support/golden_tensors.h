#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/formats/safetensors.h"

namespace roundlab::testing {

/// A tensor of a safetensors file with its own dtype widened to float32 or int64.
inline at::Tensor GoldenTensor(const SafetensorsFile& file, const std::string& name) {
  const TensorView* view = file.Find(name);
  ROUNDLAB_CHECK(view != nullptr, "golden file lacks " + name);
  const auto integers = [&](at::ScalarType type) {
    return at::from_blob(const_cast<std::byte*>(view->bytes.data()), view->shape, type)
        .to(at::kLong)
        .clone();
  };
  switch (view->type) {
    case ElementType::kI64:
      return integers(at::kLong);
    case ElementType::kI32:
      return integers(at::kInt);
    case ElementType::kI16:
      return integers(at::kShort);
    case ElementType::kI8:
      return integers(at::kChar);
    case ElementType::kU8:
      return integers(at::kByte);
    default:
      break;
  }
  at::Tensor tensor = at::empty(view->shape, at::kFloat);
  DecodeToFloat(*view,
                {tensor.mutable_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
  return tensor;
}

/// A float64 tensor with all its digits.
inline at::Tensor GoldenDoubles(const SafetensorsFile& file, const std::string& name) {
  const TensorView* view = file.Find(name);
  ROUNDLAB_CHECK(view != nullptr && view->type == ElementType::kF64,
                 "golden file lacks float64 " + name);
  return at::from_blob(const_cast<std::byte*>(view->bytes.data()), view->shape, at::kDouble)
      .clone();
}

}  // namespace roundlab::testing
