#pragma once

#include <ATen/core/Tensor.h>

namespace roundlab {

/// The columns of a matrix in e4m3 (OCP 8-bit floating point: 3 bits of mantissa, at most 448),
/// laid down as rows, since 8-bit matrix units sum along rows of both factors: x = scale * value.
struct Float8Columns {
  at::Tensor values;  ///< [columns, rows] float8_e4m3fn
  at::Tensor scales;  ///< [columns] float32, powers of two
};

}  // namespace roundlab
