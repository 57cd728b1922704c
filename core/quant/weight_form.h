#pragma once

#include <string>

#include "core/quant/quantized_weight.h"

namespace roundlab {

/// What does not fit together in a weight, or "": a part that is missing or of another type or
/// shape, a code above its table, a place outside of the matrix.
std::string FormProblem(const QuantizedWeight& weight);

}  // namespace roundlab
