#pragma once

#include <ATen/core/Tensor.h>

#include "rounding/scheme.h"

namespace roundlab {

/// `offset_histogram` of the diagnostics covers |V| from 0 to here.
inline constexpr double kOffsetHistogramTop = 0.55;

/// What nearest rounding with offsets rounds: w / s + V + z. groups, and offset or undefined (0):
/// [groups, width] float32.
Latent OffsetLatent(const at::Tensor& groups, const at::Tensor& offset, const AffineGrid& grid,
                    double code_max);

/// Adds offset_histogram and offset_mean_abs of learned offsets; nothing where they are undefined.
void DescribeOffset(const at::Tensor& offset, const GroupLayout& layout, Diagnostics* diagnostics);

}  // namespace roundlab
