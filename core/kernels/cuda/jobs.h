#pragma once

#include <cstdint>

// What the functions of interface.h are given. Pointers are to the device's memory, tensors are
// contiguous.

namespace roundlab::cuda {

enum class Dtype : std::int32_t { kFloat = 0, kHalf = 1, kBFloat16 = 2 };

/// Fake quantization of `groups` rows of `width` weights. The grid is either given (scale, zero) or
/// made from ranges: with low' = low low_factor and high' = high high_factor,
///   scale = (high' - low') / code_max in scale_dtype, at least scale_floor;  zero = round(-low' /
///   scale), or, symmetric where middle is above 0, as SymmetricGrid has it
struct FakeQuantJob {
  const float* weight;  ///< [groups, width]
  float* offset;        ///< [groups, width] or null; moved where offset_step is above 0
  const float* scale;   ///< [groups], or null: the grid is made from ranges
  const float* zero;    ///< [groups]
  const float* low;     ///< [groups]
  const float* high;    ///< [groups]
  float* low_factor;    ///< [groups] or null: 1; moved where range_step is above 0
  float* high_factor;
  Dtype scale_dtype;
  float scale_floor;
  float code_max;
  float middle;  ///< of a symmetric grid made from ranges, else 0
  float times;
  float divisor;
  bool signs;
  std::int64_t groups;
  std::int64_t width;

  Dtype dtype;     ///< of output and dy
  void* output;    ///< [groups, width]; forward; backward, where not null: of the moved parameters
  const void* dy;  ///< [groups, width]; backward
  // Backward: each is written where it is not null.
  float* d_offset;  ///< [groups, width]
  float* d_factor;  ///< [groups] of a given grid, as FakeQuantGradient
  float* d_divisor;
  float* d_zero;
  float* d_low_factor;  ///< [groups] of a grid made from ranges
  float* d_high_factor;
  // Backward: p <- p - step sign(gradient), at once; factors stay in [0, 1], offsets in
  // +-offset_bound where that is above 0.
  float offset_step;
  float range_step;
  float offset_bound;
};

/// y = x r weight with r = 1 / sqrt(mean(x^2) + eps); backward: dx from dy.
struct NormJob {
  Dtype dtype;
  const void* x;        ///< [rows, width]
  const float* weight;  ///< [width]
  float eps;
  void* y;         ///< forward
  float* inverse;  ///< [rows], r: written forward, read backward
  const void* dy;
  void* dx;
  std::int64_t rows;
  std::int64_t width;
};

/// Turns pairs (k, k + dim / 2) by their angle; sign -1 turns back, which is the backward pass.
struct RopeJob {
  Dtype dtype;
  const void* x;  ///< [batch, seq, heads, dim]
  void* y;
  const float* cosine;  ///< [seq, dim / 2]
  const float* sine;
  float sign;
  std::int64_t batch;
  std::int64_t seq;
  std::int64_t heads;
  std::int64_t dim;
};

struct SwiGluJob {
  Dtype dtype;
  const void* gate;  ///< [count]
  const void* up;
  void* y;         ///< forward
  const void* dy;  ///< backward
  void* d_gate;
  void* d_up;
  std::int64_t count;
};

/// Rows of partial sums that MseJob::partial has room for.
constexpr std::int64_t kMsePartials = 4096;

/// loss = mean((output - target)^2); backward d_output = 2 (output - target) d_loss / count.
struct MseJob {
  Dtype dtype;
  const void* output;  ///< [count]
  const void* target;
  float* partial;       ///< [kMsePartials]; forward
  float* loss;          ///< [1]; forward
  const float* d_loss;  ///< [1]; backward
  void* d_output;
  std::int64_t count;
};

/// to <- from where *flag is not 0, both `bytes` long.
struct CopyIfJob {
  const std::uint8_t* flag;
  const void* from;
  void* to;
  std::int64_t bytes;
};

}  // namespace roundlab::cuda
