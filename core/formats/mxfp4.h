#pragma once

#include <span>
#include <string>

#include "core/formats/tensor_view.h"

namespace roundlab {

// Weights as GPT-OSS stores them (OCP Microscaling Formats 1.0, section 5.3; transformers 5.23,
// integrations/mxfp4.py): "x_blocks", U8 [..., columns / 32, 16], two E2M1 numbers a byte, the
// first in its lower half, and "x_scales", U8 [..., columns / 32], an exponent for each block.
//   w = e2m1 2^(exponent - 127), float32

/// Both as one tensor "x", kMxFp4 [..., columns]; throws Error naming file and tensor where their
/// shapes are not of one another.
TensorView MxFp4View(const TensorView& blocks, const TensorView& scales, const std::string& name);

/// out: ElementCount() values of an MxFp4View. The exponent 255 gives NaN, as the standard has it.
void DecodeMxFp4(const TensorView& tensor, std::span<float> out);

}  // namespace roundlab
