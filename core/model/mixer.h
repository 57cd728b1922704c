#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/model/mixer_plan.h"

namespace roundlab {

/// What a mixer (MixerPlan) has beside linear layers and norms; undefined where it has none.
struct MixerWeights {
  at::Tensor taps;       ///< [channels, taps] float32
  at::Tensor taps_bias;  ///< [channels] float32
  at::Tensor decay;      ///< [heads] float32, as the next two
  at::Tensor decay_bias;
  at::Tensor passed;
};

/// One of them as the checkpoint has it.
struct MixerTensor {
  std::string name;                 ///< in full
  std::vector<std::int64_t> shape;  ///< as stored
  at::Tensor MixerWeights::*place;
  /// Channels behind those that the place has; they may be others than these, as transformers 5.23
  /// writes them.
  bool part = false;

  std::int64_t Count() const;
};

/// All that a mixer of this plan has.
std::vector<MixerTensor> TensorsOf(const MixerPlan& plan);
/// Puts what the checkpoint has in its place, parts in the order of TensorsOf.
void Keep(const MixerTensor& tensor, const at::Tensor& stored, MixerWeights* mixer);

}  // namespace roundlab
