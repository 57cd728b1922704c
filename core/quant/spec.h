#pragma once

#include <cstdint>
#include <string>

#include "core/config/fields.h"

namespace roundlab {

/// How one weight matrix is put on a grid of 2^bits values a group.
struct QuantSpec {
  std::int64_t bits = 4;
  std::int64_t group_size = 128;  ///< weights that share a scale; -1 a row, 0 the whole tensor
  std::string grid = "asym";      ///< asym | sym | sym_full, see MakeGrid
  std::string scale_dtype = "float16";  ///< scales are rounded to it where the references cast
  /// sym only: a group without negative values keeps the half range of the GPTQ code
  /// (IST-DASLab/gptq quant.py), which clips its largest weights.
  bool gptq_sym_quirk = false;

  void Fields(FieldVisitor& f);
  double CodeMax() const;  ///< 2^bits - 1
};

}  // namespace roundlab
