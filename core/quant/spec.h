#pragma once

#include <cstdint>
#include <string>

#include "core/config/enum_field.h"

namespace roundlab {

/// How codes stand for values, see MakeGrid.
enum class GridKind { kAsym, kSym, kSymFull, kSymRestricted, kFloatZero, kPower };
/// What scales are rounded to where the references cast.
enum class ScaleType { kFloat32, kFloat16, kBFloat16 };

const EnumNames<GridKind>& GridNames();
const EnumNames<ScaleType>& ScaleTypeNames();

/// How one weight matrix is put on a grid of 2^bits values a group.
struct QuantSpec {
  std::int64_t bits = 4;
  std::int64_t group_size = 128;  ///< weights that share a scale; -1 a row, 0 the whole tensor
  GridKind grid = GridKind::kAsym;
  ScaleType scale_dtype = ScaleType::kFloat16;
  /// sym only: a group without negative values keeps the half range of the GPTQ code
  /// (IST-DASLab/gptq quant.py), which clips its largest weights.
  bool gptq_sym_quirk = false;
  /// 0: groups go down the columns (GroupLayout::Down). No option of its own: a scheme sets it.
  std::int64_t axis = 1;

  void Fields(FieldVisitor& f);
  void FieldsButBits(FieldVisitor& f);
  double CodeMax() const;  ///< 2^bits - 1
  /// Bits that a stored scale takes: 16 or 32.
  double ScaleBits() const;
  /// Bits that a stored zero point takes: `bits`, those of a scale where it is real, and none where
  /// the grid fixes it.
  double ZeroBits() const;
};

/// "4 128 asym float16 axis_0": bits, group size, grid, dtype of scales, and flags where they are
/// set; what a file says of a weight.
std::string SpecText(const QuantSpec& spec);
/// Throws Error, beginning with `place`, for another text.
QuantSpec ReadQuantSpec(const std::string& text, const std::string& place);

}  // namespace roundlab
