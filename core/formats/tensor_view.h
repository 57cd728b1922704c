#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/formats/element_type.h"

namespace roundlab {

/// A tensor where it lies in a file that stays mapped; nothing is copied or converted.
struct TensorView {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;   ///< row-major, outermost first ([out, in] for a matrix)
  std::span<const std::byte> bytes;  ///< exactly the tensor's bytes, little-endian
  std::string file;                  ///< for messages
  /// Of kF8E4M3 (DecodeScaledBlocks) and kMxFp4, or null: what values are multiplied by.
  const TensorView* factors = nullptr;

  std::int64_t ElementCount() const;
};

/// "[2, 3]", "[]" for a scalar.
std::string ShapeText(const std::vector<std::int64_t>& shape);

/// Bytes that type and shape of `tensor` take, whatever `bytes` is. Throws Error naming file and
/// tensor where a dimension is negative, the product overflows, or a row (the last dimension) is
/// not whole blocks.
std::int64_t ByteSize(const TensorView& tensor);

/// Throws Error naming file and tensor where its type is none that holds weights.
void RequireWeights(const TensorView& tensor);

/// Widens or dequantizes the whole tensor to float32, bit for bit as ggml/gguf and PyTorch do (F64
/// is rounded to nearest). out: ElementCount() values. Integer types throw Error.
void DecodeToFloat(const TensorView& tensor, std::span<float> out);

}  // namespace roundlab
