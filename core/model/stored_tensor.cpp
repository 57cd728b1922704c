#include "core/model/stored_tensor.h"

#include <ATen/ATen.h>

#include <array>
#include <cstring>
#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr std::array<std::pair<c10::ScalarType, ElementType>, 5> kTypes = {
    {{c10::ScalarType::Float, ElementType::kF32},
     {c10::ScalarType::BFloat16, ElementType::kBF16},
     {c10::ScalarType::Half, ElementType::kF16},
     {c10::ScalarType::Byte, ElementType::kU8},
     {c10::ScalarType::Int, ElementType::kI32}}};

ElementType StoredType(c10::ScalarType dtype) {
  for (const auto& [known, type] : kTypes) {
    if (known == dtype) return type;
  }
  ROUNDLAB_CHECK(false, "a tensor of a dtype that is not stored");
}

[[noreturn]] void FailType(const TensorView& view) {
  throw Error(view.file + ": tensor '" + view.name + "' has another type than it should");
}

}  // namespace

c10::ScalarType DtypeOf(const TensorView& view) {
  for (const auto& [dtype, type] : kTypes) {
    if (type == view.type) return dtype;
  }
  FailType(view);
}

std::span<const std::byte> BytesOf(const at::Tensor& tensor) {
  ROUNDLAB_CHECK(tensor.is_contiguous() && tensor.is_cpu(), "bytes of a tensor in pieces");
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

TensorToWrite Stored(const std::string& name, const at::Tensor& tensor) {
  return {name, StoredType(tensor.scalar_type()), tensor.sizes().vec(), BytesOf(tensor)};
}

at::Tensor ReadStored(const TensorView& view, c10::ScalarType dtype) {
  if (view.type != StoredType(dtype)) FailType(view);
  at::Tensor tensor = at::empty(view.shape, dtype);
  std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

}  // namespace roundlab
