#pragma once

#include <cstdint>
#include <span>

#include "core/formats/tensor_view.h"

namespace roundlab {

/// Rows and columns that share a factor.
constexpr std::int64_t kScaledBlock = 128;

/// Weights of 8 bits as DeepSeek-V3 and Qwen3-FP8 store them (deepseek-ai/DeepSeek-V3,
/// inference/kernel.py, weight_dequant): values "x", F8_E4M3 [rows, columns], and "x_scale_inv",
/// floats [ceil(rows / 128), ceil(columns / 128)], a factor for each block.
///   w = value factor, float32
/// Where 128 does not divide a side its last block is narrower; transformers 5.23 with `dequantize`
/// takes equal parts there, which are not the blocks that the factors were made of.
/// Throws Error naming file and tensor where a shape is another.
void DecodeScaledBlocks(const TensorView& values, const TensorView& factors, std::span<float> out);

}  // namespace roundlab
