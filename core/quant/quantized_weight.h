#pragma once

#include <ATen/core/Tensor.h>

#include "core/quant/grid.h"
#include "core/quant/groups.h"
#include "core/quant/spec.h"

namespace roundlab {

/// The one artefact of rounding: what is evaluated and exported is made of nothing else.
struct QuantizedWeight {
  at::Tensor codes;  ///< [out, in] uint8, 0 .. 2^bits - 1
  at::Tensor scale;  ///< [out, groups] float32 ([1, 1] for a whole tensor)
  at::Tensor zero;   ///< as scale; an integer
  std::int64_t bits = 4;
  std::int64_t group_size = 128;  ///< as in QuantSpec

  GroupLayout Layout() const { return GroupLayout::For(codes.size(0), codes.size(1), group_size); }
  /// scale (code - zero), [out, in] float32: the only decode.
  at::Tensor Dequantize() const;
  /// Bits a weight, scales and zero points included, at 16 bits a scale and `bits` a zero point.
  double BitsPerWeight() const;
};

/// Codes clamp(round(w / s + v) + z, 0, 2^bits - 1) of each group, half to even. groups and offset
/// (or undefined): [groups, width] float32 in the order of `layout`.
QuantizedWeight QuantizeAffine(const at::Tensor& groups, const at::Tensor& offset,
                               const AffineGrid& grid, const GroupLayout& layout,
                               const QuantSpec& spec);

/// From codes that are chosen already: codes [groups, width], any dtype, integers.
QuantizedWeight FromCodes(const at::Tensor& codes, const AffineGrid& grid,
                          const GroupLayout& layout, const QuantSpec& spec);

}  // namespace roundlab
