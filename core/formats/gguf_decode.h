#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/formats/element_type.h"

namespace roundlab {

/// Dequantizes whole blocks of one of ggml's formats (layouts: ggml/src/ggml-common.h; arithmetic:
/// gguf-py quants.py, in float32 without fused multiply-add). d, m: float16 of the block, q: codes.
///   Q4_0, Q5_0: d (q - 8), d (q - 16)      Q4_1, Q5_1: d q + m      Q8_0: d q
///   Q2_K: (d s) q - (dmin m), 16 sub-blocks of 16 with 4-bit s, m
///   Q4_K, Q5_K: (d s) q - (dmin m), 8 sub-blocks of 32 with 6-bit s, m
///   Q3_K: (d (s - 32)) (q - 4), 16 sub-blocks of 16 with 6-bit s
///   Q6_K: (d s) (q - 32), 16 sub-blocks of 16 with int8 s
///   IQ4_NL: d v[q], v the 16 values of kvalues_iq4nl      IQ4_XS: (d (s - 32)) v[q], 8 sub-blocks
///     of 32 with 6-bit s
/// `type` must be a kQ* one and `bytes` whole blocks that give out.size() elements.
void DecodeBlocks(ElementType type, std::span<const std::byte> bytes, std::span<float> out);

}  // namespace roundlab
