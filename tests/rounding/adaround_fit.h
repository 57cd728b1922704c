#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "core/formats/safetensors.h"
#include "core/quant/spec.h"
#include "rounding/schemes/adaround.h"

namespace roundlab::testing {

/// What a golden file of AdaRound shows of how it was made.

double Rounded(double value, int digits);

/// Bits and group size of an asymmetric min-max grid, for a file that tells only its weight and
/// scale [out, groups]: the range is 2^bits - 1 of its scales.
QuantSpec SpecOfScale(const at::Tensor& weight, const at::Tensor& scale);

/// Steps before the first with a penalty.
std::int64_t StepsWithout(const SafetensorsFile& file, const std::string& schedule);

/// Options with the part of the steps without a penalty, in hundredths, and the exponents that come
/// nearest to the file's.
AdaRound::Options OptionsOf(const SafetensorsFile& file, const std::string& schedule);

}  // namespace roundlab::testing
