#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <vector>

#include "core/model/description.h"

namespace roundlab {

/// cos and sin of position x frequency, [positions, rotary_dim / 2] float32; undefined where the
/// model has no rotary positions.
struct RopeAngles {
  at::Tensor cosine;
  at::Tensor sine;
};

/// The angles of a model's blocks.
struct RopeTable {
  at::Tensor cosine;
  at::Tensor sine;
  RopeAngles local;   ///< of blocks whose AttentionPlan::rope is 1 (Gemma 3's sliding ones)
  at::Tensor temper;  ///< [positions] float32, see TemperDescription; undefined where it is not

  RopeAngles Angles(std::size_t rope) const { return rope == 0 ? RopeAngles{cosine, sine} : local; }
  /// Those of the positions given, int64 [rows].
  RopeTable Select(const at::Tensor& positions) const;
  RopeTable To(const at::Device& device) const;
};

/// f_k = theta^(-2k / rotary_dim) for a text of `positions` tokens. With the text's length n, c the
/// length before it was stretched and s the factor (transformers 5.23, modeling_rope_utils):
///   linear    all f / s
///   dynamic   theta (s n / c - (s - 1))^(d / (d - 2)) for theta where n > c
///   llama3    f / s where the wavelength is long, a blend between (Llama 3.1)
///   yarn      f / s for slow ones, f for fast ones, a ramp between (arXiv 2309.00071)
///   proportional  f / s for the first share of them, 0 for the others, which pass (Gemma 4)
///   longrope  f / short_factors[k], or long_factors[k] where n > c (arXiv 2402.13753)
/// cos and sin are multiplied by attention_factor.
RopeTable MakeRopeTable(const RopeDescription& rope, std::int64_t rotary_dim,
                        std::int64_t positions);

/// The tables of a model for a text of `positions` tokens.
RopeTable MakeRopeTable(const ModelDescription& description, std::int64_t positions);

/// Slopes of ALiBi, a head (arXiv 2108.12409): with n the largest power of two up to heads,
/// 2^(-8 (h + 1) / n) for h < n, then 2^(-4 (2m + 1) / n) for m = 0, 1, ...
std::vector<float> AlibiSlopes(std::int64_t heads);

}  // namespace roundlab
