#pragma once

#include <ATen/core/Tensor.h>

#include "core/model/description.h"

namespace roundlab {

/// cos and sin of position x frequency, [positions, head_dim / 2] float32.
struct RopeTable {
  at::Tensor cosine;
  at::Tensor sine;
};

/// f_k = theta^(-2k / head_dim); linear divides all by `factor`; llama3 divides those whose
/// wavelength is long and blends between (meta-llama/llama-models, scheme of Llama 3.1).
RopeTable MakeRopeTable(const RopeDescription& rope, std::int64_t head_dim, std::int64_t positions);

}  // namespace roundlab
