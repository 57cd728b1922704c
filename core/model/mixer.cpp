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
  std::vector<MixerTensor> tensors;
  std::vector<ConvolutionPlan::Part> parts = c.parts;
  if (parts.empty()) parts = {{c.name, c.channels}};
  for (const ConvolutionPlan::Part& part : parts) {
    const bool further = !tensors.empty();
    tensors.push_back({part.name + ".weight",
                       {part.channels, 1, c.taps},
                       &MixerWeights::taps,
                       !c.parts.empty(),
                       further});
  }
  if (c.bias) tensors.push_back({c.name + ".bias", {c.channels}, &MixerWeights::taps_bias});
  if (plan.delta) {
    const std::int64_t heads = plan.delta->value_heads;
    tensors.push_back({plan.delta->decay, {heads}, &MixerWeights::decay});
    tensors.push_back({plan.delta->decay_bias, {heads}, &MixerWeights::decay_bias});
  }
  if (plan.state_space) {
    const StateSpacePlan& s = *plan.state_space;
    tensors.push_back({s.decay, {s.heads}, &MixerWeights::decay});
    tensors.push_back({s.decay_bias, {s.heads}, &MixerWeights::decay_bias});
    tensors.push_back({s.passed, {s.heads}, &MixerWeights::passed});
  }
  return tensors;
}

void Keep(const MixerTensor& tensor, const at::Tensor& stored, MixerWeights* mixer) {
  const at::Tensor own = stored.dim() == 3 ? stored.squeeze(1) : stored;
  mixer->*tensor.place = tensor.further ? at::cat({mixer->*tensor.place, own}) : own;
}

}  // namespace roundlab
