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
  at::Tensor codes;  ///< [out, in] uint8, 0 .. 2^bits - 1; of additive codebooks see `codebooks`
  at::Tensor scale;  ///< [out, groups] float32 ([1, 1] for a whole tensor)
  at::Tensor zero;   ///< as scale; an integer unless the grid says otherwise
  QuantSpec spec;
  // What only some methods have; undefined otherwise.
  at::Tensor g_idx{};     ///< [in] int32: the group of each column, where it is not column / size
  at::Tensor codebook{};  ///< [out, 2^bits] float32: values of a row's codes, in place of the scale
  /// [n, 2^b, width] float32: `width` weights of a row are the sum of a vector of each codebook,
  /// times the row's scale [out, 1]. codes is then [out, in / width, n], 0 .. 2^b - 1.
  at::Tensor codebooks{};
  /// Of an incoherent basis (core/quant/incoherence.h), in which the codes say T S_out W D S_in T:
  /// [out] and [in] uint8, 1 for a sign of -1, and D's diagonal [in] float32, > 0.
  at::Tensor row_signs{};
  at::Tensor column_signs{};
  at::Tensor column_scale{};
  at::Tensor left{};   ///< [out, rank] float32: left right is added to what the codes say
  at::Tensor right{};  ///< [rank, in] float32
  /// The same in 8 bits: (left_codes - 128) diag(pair_scale) (right_codes - 128) is added.
  at::Tensor left_codes{};     ///< [out, rank] uint8, 1 .. 255
  at::Tensor right_codes{};    ///< [rank, in] uint8
  at::Tensor pair_scale{};     ///< [rank] float32
  at::Tensor outlier_index{};  ///< [n] int32: row * in + column of weights that are kept apart
  at::Tensor outlier_value{};  ///< [n] float32: their values, in place of what the codes say
  at::Tensor kept_columns{};   ///< [k] int32: columns that are kept apart
  at::Tensor kept_values{};    ///< [out, k] float32: their values, in place of what the codes say
  at::Tensor bias{};           ///< [out] float32: takes the place of the layer's bias
  /// [1] float32, > 0: codes stand for the PowerValues of this exponent, not for code - zero.
  at::Tensor exponent{};

  std::int64_t Rows() const { return codes.size(0); }
  std::int64_t Columns() const {
    return codebooks.defined() ? codes.size(1) * codebooks.size(2) : codes.size(1);
  }
  GroupLayout Layout() const {
    return spec.axis == 0 ? GroupLayout::Down(Rows(), Columns(), spec.group_size)
                          : GroupLayout::For(Rows(), Columns(), spec.group_size);
  }
  /// Whether a code is a step of its group's grid, in the basis of the weight itself.
  bool OnGrid() const {
    return !codebook.defined() && !codebooks.defined() && !row_signs.defined();
  }
  /// What codes [...] with zero points that broadcast to them stand for in units of the scale,
  /// float32: code - zero, or a power grid's values.
  at::Tensor Steps(const at::Tensor& some_codes, const at::Tensor& their_zero) const;
  /// The low-rank pair multiplied, [out, in] float32; undefined where there is none.
  at::Tensor LowRank() const;
  /// [out, in] float32: 0 where a weight is kept apart, 1 where its code says what it is.
  at::Tensor HeldByCodes() const;
  /// Values that a code can have.
  std::int64_t CodeCount() const;
  /// scale (code - zero), codebook[code] or scale times a sum of vectors, brought back from the
  /// incoherent basis, plus left right, with the outliers put in: [out, in] float32. The only
  /// decode.
  at::Tensor Dequantize() const;
  /// Bits a weight, everything counted: codes, scales and zero points as spec stores them, g_idx
  /// at 32 bits a column, codebooks, low-rank pair, column scales and values that are kept apart at
  /// 16 (codes of the pair at 8), its scales, places and an exponent at 32, signs at 1. A bias is
  /// no weight.
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

/// Keeps weights where `mask` [out, in] bool is true beside the codes, rounded to float16.
void KeepApart(const at::Tensor& mask, const at::Tensor& weight, QuantizedWeight* rounded);

/// What is wrong with a weight that decodes to `decoded`, or "": a scale, zero point or decoded
/// weight that is not finite.
std::string WeightProblem(const QuantizedWeight& weight, const at::Tensor& decoded);

/// Codes clamp(round(w / s + v) + z, 0, 2^bits - 1) of each group, half to even; with a real zero
/// point (grid float_zero) clamp(round(w / s + v + z), ...). groups and offset
/// (or undefined): [groups, width] float32 in the order of `layout`.
QuantizedWeight QuantizeAffine(const at::Tensor& groups, const at::Tensor& offset,
                               const AffineGrid& grid, const GroupLayout& layout,
                               const QuantSpec& spec);

/// Each weight of [out, in] at its nearest code, on the grids from its groups' least to their
/// largest weight, with 0 between them, along the input (spec.axis is not looked at).
QuantizedWeight RoundToNearest(const at::Tensor& weight, const QuantSpec& spec);

/// From codes that are chosen already: codes [groups, width], any dtype, whole numbers from 0 to
/// 255. Throws Diverged for one that is not finite, Error for others.
QuantizedWeight FromCodes(const at::Tensor& codes, const AffineGrid& grid,
                          const GroupLayout& layout, const QuantSpec& spec);

}  // namespace roundlab
