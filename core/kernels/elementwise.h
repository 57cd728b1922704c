#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace roundlab {

// Loops over rows of T, float or c10::BFloat16, one pass over memory each, parallel over rows.
// Bfloat16 is computed in float32 and rounded where ATen's operations one after the other would
// round it, except in rotary positions, which round once; weights and angles are float32. Reference
// in ATen ops: core/kernels/reference.h; differentiable wrappers: core/kernels/ops.h.

/// y = x / sqrt(mean(x^2) + eps) * weight per row of `width`; inverse_rms [rows] is kept for
/// backward.
template <class T>
void RmsNormForward(const T* x, const float* weight, float eps, std::int64_t rows,
                    std::int64_t width, T* y, float* inverse_rms);

/// dx = r (dy w) - x r^3 / width * sum(dy w x), r = inverse_rms.
template <class T>
struct RmsNormGradient {
  const T* dy;
  const T* x;
  const float* weight;
  const float* inverse_rms;
};
template <class T>
void RmsNormBackward(const RmsNormGradient<T>& in, std::int64_t rows, std::int64_t width, T* dx);

/// d_weight [width] = sum over rows of dy x r. The same sum with any number of threads.
void RmsNormWeightBackward(const RmsNormGradient<float>& in, std::int64_t rows, std::int64_t width,
                           float* d_weight);

/// Rotary embedding, "half" layout: dimension k pairs with k + dim/2 (k < dim/2):
/// (a, b) -> (a cos - b sin, b cos + a sin); sign -1 turns back. x, y: [batch, seq, heads, dim].
struct RopeShape {
  std::int64_t batch, seq, heads, dim;
};
template <class T>
void Rope(const T* x, const float* cosine, const float* sine, const RopeShape& shape, float sign,
          T* y);

/// y = silu(gate) * up, silu(x) = x sigmoid(x).
template <class T>
void SwiGluForward(const T* gate, const T* up, std::int64_t count, T* y);

/// d_gate = dy up (s + gate s (1 - s)), d_up = dy gate s, s = sigmoid(gate).
template <class T>
struct SwiGluGradient {
  const T* dy;
  const T* gate;
  const T* up;
};
template <class T>
void SwiGluBackward(const SwiGluGradient<T>& in, std::int64_t count, T* d_gate, T* d_up);

}  // namespace roundlab
