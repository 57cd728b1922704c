#pragma once

#include "core/model/config_reader.h"
#include "core/model/description.h"

namespace roundlab {

/// LFM2: most blocks mix tokens by a gated short convolution (MixerPlan), the others by attention
/// with normed heads (transformers 5.23, lfm2).
ModelDescription DescribeLfm2(const ConfigReader& config);
/// The same with experts, scored by sigmoid and chosen with a bias, behind num_dense_layers blocks
/// (lfm2_moe). Weights of those used are divided by their sum; transformers adds 1e-6 to it.
ModelDescription DescribeLfm2Moe(const ConfigReader& config);

}  // namespace roundlab
