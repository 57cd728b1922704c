#include "core/model/rope.h"

#include <ATen/ATen.h>

#include <cmath>

namespace roundlab {
namespace {

/// Frequencies in float32 arithmetic, as the reference has them.
at::Tensor Frequencies(const RopeDescription& rope, std::int64_t head_dim) {
  const at::Tensor exponent =
      at::arange(0, head_dim, 2, at::kFloat) / static_cast<double>(head_dim);
  const at::Tensor plain = 1.0 / at::pow(rope.theta, exponent);
  if (!rope.divisors.empty()) {
    return plain / at::tensor(at::ArrayRef<float>(rope.divisors), at::kFloat);
  }
  if (rope.type == "linear") return plain / rope.factor;
  if (rope.type == "default") return plain;
  const at::Tensor wavelength = 2 * M_PI / plain;
  const at::Tensor blend = (rope.original_positions / wavelength - rope.low_freq_factor) /
                           (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor between = (1 - blend) * plain / rope.factor + blend * plain;
  const at::Tensor is_long = wavelength > rope.original_positions / rope.low_freq_factor;
  const at::Tensor is_short = wavelength < rope.original_positions / rope.high_freq_factor;
  return at::where(is_long, plain / rope.factor, at::where(is_short, plain, between));
}

}  // namespace

RopeTable MakeRopeTable(const RopeDescription& rope, std::int64_t head_dim,
                        std::int64_t positions) {
  const at::Tensor angles =
      at::outer(at::arange(positions, at::kFloat), Frequencies(rope, head_dim));
  return {angles.cos().contiguous(), angles.sin().contiguous()};
}

}  // namespace roundlab
