#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// GPT-OSS (arXiv 2508.10925; transformers 5.23, models/gpt_oss): attention with a sink a head, in
/// every second layer over a window; experts whose gate and up lie row by row in one matrix, with
/// (up + 1) gate sigmoid(1.702 gate) of values held to swiglu_limit. Experts are read in MXFP4, as
/// published, or in full precision, where they are stored transposed.
ModelDescription DescribeGptOss(const ConfigReader& config);

}  // namespace roundlab
