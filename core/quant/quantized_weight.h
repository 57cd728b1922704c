#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/quant/grid.h"
#include "core/quant/groups.h"
#include "core/quant/spec.h"

namespace roundlab {

/// The one artefact of rounding: what is evaluated and exported is made of nothing else.
struct QuantizedWeight {
  at::Tensor codes;  ///< [out, in] uint8, 0 .. 2^bits - 1
  at::Tensor scale;  ///< [out, groups] float32 ([1, 1] for a whole tensor)
  at::Tensor zero;   ///< as scale; an integer unless the grid says otherwise
  QuantSpec spec;
  // What only some methods have; undefined otherwise.
  at::Tensor g_idx{};     ///< [in] int32: the group of each column, where it is not column / size
  at::Tensor codebook{};  ///< [out, 2^bits] float32: values of a row's codes, in place of the scale
  at::Tensor left{};      ///< [out, rank] float32: left right is added to what the codes say
  at::Tensor right{};     ///< [rank, in] float32
  at::Tensor outlier_index{};  ///< [n] int32: row * in + column of weights that are kept apart
  at::Tensor outlier_value{};  ///< [n] float32: their values, in place of what the codes say
  at::Tensor bias{};           ///< [out] float32: takes the place of the layer's bias

  GroupLayout Layout() const {
    return GroupLayout::For(codes.size(0), codes.size(1), spec.group_size);
  }
  /// scale (code - zero), or codebook[code], plus left right, with the outliers put in: [out, in]
  /// float32. The only decode.
  at::Tensor Dequantize() const;
  /// Bits a weight, everything counted: codes, scales and zero points as spec stores them, g_idx
  /// at 32 bits a column, codebook, low-rank pair and outlier values at 16, outlier places at 32. A
  /// bias is no weight.
  double BitsPerWeight() const;

  /// A tensor that it is made of. Hash, file and size go through this one list.
  struct Part {
    const char* name;
    at::Tensor* tensor;
    at::ScalarType dtype;
    double bits;  ///< that an element takes when stored
  };
  std::vector<Part> Parts();  ///< absent ones too
  QuantizedWeight To(const at::Device& device) const;
};

/// What is wrong with a weight, or "": a scale, zero point or decoded weight that is not finite.
std::string WeightProblem(const QuantizedWeight& weight);

/// Codes clamp(round(w / s + v) + z, 0, 2^bits - 1) of each group, half to even; with a real zero
/// point (grid float_zero) clamp(round(w / s + v + z), ...). groups and offset
/// (or undefined): [groups, width] float32 in the order of `layout`.
QuantizedWeight QuantizeAffine(const at::Tensor& groups, const at::Tensor& offset,
                               const AffineGrid& grid, const GroupLayout& layout,
                               const QuantSpec& spec);

/// From codes that are chosen already: codes [groups, width], any dtype, integers.
QuantizedWeight FromCodes(const at::Tensor& codes, const AffineGrid& grid,
                          const GroupLayout& layout, const QuantSpec& spec);

}  // namespace roundlab
