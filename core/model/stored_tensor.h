#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <span>
#include <string>

#include "core/formats/safetensors.h"

namespace roundlab {

// Tensors as this program writes and reads them itself: weights, hidden states, trained models.
// Stored are float32, bfloat16, float16, uint8 and int32, each as the type of the same width.

/// The dtype of a stored tensor. Throws Error, with its file and name, for any other type.
c10::ScalarType DtypeOf(const TensorView& view);

/// The bytes of a contiguous tensor on the CPU; valid as long as its memory is.
std::span<const std::byte> BytesOf(const at::Tensor& tensor);

/// A contiguous tensor on the CPU, to be written; its bytes are borrowed. Throws std::logic_error
/// for a dtype that is not stored.
TensorToWrite Stored(const std::string& name, const at::Tensor& tensor);

/// A copy of a stored tensor. Throws Error where it is stored as another type than `dtype` is.
at::Tensor ReadStored(const TensorView& view, c10::ScalarType dtype);

}  // namespace roundlab
