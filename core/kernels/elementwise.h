#pragma once

#include <cstdint>

namespace roundlab {

// Loops over float32 rows, one pass over memory each, parallel over rows. Reference in ATen ops:
// core/kernels/reference.h; differentiable wrappers: core/kernels/ops.h.

/// y = x / sqrt(mean(x^2) + eps) * weight per row of `width`; inverse_rms [rows] is kept for
/// backward.
void RmsNormForward(const float* x, const float* weight, float eps, std::int64_t rows,
                    std::int64_t width, float* y, float* inverse_rms);

/// dx = r (dy w) - x r^3 / width * sum(dy w x), r = inverse_rms.
struct RmsNormGradient {
  const float* dy;
  const float* x;
  const float* weight;
  const float* inverse_rms;
};
void RmsNormBackward(const RmsNormGradient& in, std::int64_t rows, std::int64_t width, float* dx);

/// d_weight [width] = sum over rows of dy x r. The same sum with any number of threads.
void RmsNormWeightBackward(const RmsNormGradient& in, std::int64_t rows, std::int64_t width,
                           float* d_weight);

/// Rotary embedding, "half" layout: dimension k pairs with k + dim/2 (k < dim/2):
/// (a, b) -> (a cos - b sin, b cos + a sin); sign -1 turns back. x, y: [batch, seq, heads, dim].
struct RopeShape {
  std::int64_t batch, seq, heads, dim;
};
void Rope(const float* x, const float* cosine, const float* sine, const RopeShape& shape,
          float sign, float* y);

/// y = silu(gate) * up, silu(x) = x sigmoid(x).
void SwiGluForward(const float* gate, const float* up, std::int64_t count, float* y);

/// d_gate = dy up (s + gate s (1 - s)), d_up = dy gate s, s = sigmoid(gate).
struct SwiGluGradient {
  const float* dy;
  const float* gate;
  const float* up;
};
void SwiGluBackward(const SwiGluGradient& in, std::int64_t count, float* d_gate, float* d_up);

}  // namespace roundlab
