#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace roundlab {

/// How the elements of a stored tensor are encoded. kQ*: ggml block formats of 32 or 256 weights.
enum class ElementType {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI64,
  kI32,
  kI16,
  kI8,
  kU8,
  kBool,
  // Of safetensors, not read: a tensor may have them where nothing needs it.
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kU16,
  kU32,
  kU64,
  kC64,
  // NOLINTBEGIN(readability-identifier-naming): ggml's names
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ6_K
  // NOLINTEND(readability-identifier-naming)
};

/// Whether DecodeToFloat takes it: floats from 16 bits on, and ggml's blocks.
bool HoldsWeights(ElementType type);

/// "F32", "BF16", "Q4_K": the name used in files and messages.
const char* ElementTypeName(ElementType type);

/// Elements are stored in blocks of `elements`, each `bytes` long; plain types have blocks of one.
struct BlockLayout {
  std::int64_t elements = 1;
  std::int64_t bytes = 0;
};
BlockLayout LayoutOf(ElementType type);

/// A tensor where it lies in a file that stays mapped; nothing is copied or converted.
struct TensorView {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;   ///< row-major, outermost first ([out, in] for a matrix)
  std::span<const std::byte> bytes;  ///< exactly the tensor's bytes, little-endian
  std::string file;                  ///< for messages

  std::int64_t ElementCount() const;
};

/// "[2, 3]", "[]" for a scalar.
std::string ShapeText(const std::vector<std::int64_t>& shape);

/// Bytes that `count` elements of `type` take. Throws Error where a block format does not divide it
/// or the product overflows.
std::int64_t ByteSize(ElementType type, std::int64_t count);

/// Bytes that type and shape of `tensor` take, whatever `bytes` is. Throws Error naming file and
/// tensor where a dimension is negative, the product overflows, or a row (the last dimension) is
/// not whole blocks.
std::int64_t ByteSize(const TensorView& tensor);

/// Widens or dequantizes the whole tensor to float32, bit for bit as ggml/gguf and PyTorch do (F64
/// is rounded to nearest). out: ElementCount() values. Integer types throw Error.
void DecodeToFloat(const TensorView& tensor, std::span<float> out);

}  // namespace roundlab
