#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// Weights on a power grid (core/quant/power_grid.h), of which each group has a scale.
struct PowerGroups {
  at::Tensor part;   ///< [groups, width], w / (top scale), at most 1 in size
  at::Tensor scale;  ///< [groups]
  double top = 0;    ///< codes are in +-top
};

/// NUPES' soft weight (arXiv 2308.05600, with a soft step of ours): with a the exponent, V the
/// offset and t the sharpness
///   d = clamp(top sign(p) |p|^a + V, -top, top),  c = floor(d) + step(d - floor(d)),
///   w^ = top scale sign(c) (|c| / top)^(1/a),
///   step(f) = (sigma(t (f - 1/2)) - sigma(-t/2)) / (1 - 2 sigma(-t/2))
/// offset [groups, width], log_exponent ln a [1], sharpness [1] or a scalar, > 0 -> [groups,
/// width]. Gradient to offset and log_exponent. In float32 on the CPU one pass over memory, whose
/// exponentials and logarithms are those of vector_math.h, the same on every machine.
at::Tensor SoftPowerWeight(const PowerGroups& groups, const at::Tensor& offset,
                           const at::Tensor& log_exponent, const at::Tensor& sharpness);

/// d of the formula. ATen operations, as the next two.
at::Tensor SoftPosition(const PowerGroups& groups, const at::Tensor& offset,
                        const at::Tensor& exponent);

/// step(f) of the formula: 0 at 0, 1/2 at 1/2, 1 at 1.
at::Tensor SoftStep(const at::Tensor& fraction, const at::Tensor& sharpness);

/// sign(x) |x|^power with a gradient to both that is finite everywhere; 0 where |x| is below 1e-6.
/// |x| is 1 at the most, power a scalar tensor.
at::Tensor SignedPower(const at::Tensor& x, const at::Tensor& power);

namespace reference {

/// The same in plain ATen operations, of any dtype and on any device.
at::Tensor SoftPowerWeight(const PowerGroups& groups, const at::Tensor& offset,
                           const at::Tensor& log_exponent, const at::Tensor& sharpness);

}  // namespace reference

}  // namespace roundlab
