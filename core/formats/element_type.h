#pragma once

#include <cstdint>

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
  kMxFp4,  ///< 4 bits in blocks of 32, whose factors are a tensor of their own (mxfp4.h)
  // NOLINTBEGIN(readability-identifier-naming): ggml's names
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS
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

/// Bytes that `count` elements of `type` take. Throws Error where a block format does not divide it
/// or the product overflows.
std::int64_t ByteSize(ElementType type, std::int64_t count);

}  // namespace roundlab
