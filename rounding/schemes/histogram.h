#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace roundlab {

/// Counts of values in `bins` equal bins over [low, high]; values outside count in the end bins.
std::vector<double> Histogram(const at::Tensor& values, double low, double high, std::int64_t bins);

}  // namespace roundlab
