#include "core/model/mixer.h"

#include <ATen/ATen.h>

namespace roundlab {

std::int64_t MixerTensor::Count() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::vector<MixerTensor> TensorsOf(const MixerPlan& plan) {
  const ConvolutionPlan& c = plan.convolution;
  std::vector<MixerTensor> tensors = {
      {c.name + ".weight", {c.channels, 1, c.taps}, &MixerWeights::taps}};
  if (c.bias) tensors.push_back({c.name + ".bias", {c.channels}, &MixerWeights::taps_bias});
  if (plan.delta) {
    const std::int64_t heads = plan.delta->value_heads;
    tensors.push_back({plan.delta->decay, {heads}, &MixerWeights::decay});
    tensors.push_back({plan.delta->decay_bias, {heads}, &MixerWeights::decay_bias});
  }
  return tensors;
}

void Keep(const MixerTensor& tensor, const at::Tensor& stored, MixerWeights* mixer) {
  mixer->*tensor.place = stored.dim() == 3 ? stored.squeeze(1) : stored;
}

}  // namespace roundlab
