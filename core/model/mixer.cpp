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
    tensors.push_back(
        {part.name + ".weight", {part.channels, 1, c.taps}, &MixerWeights::taps, !c.parts.empty()});
  }
  if (c.bias) tensors.push_back({c.name + ".bias", {c.channels}, &MixerWeights::taps_bias});
  if (plan.delta) {
    const DeltaRulePlan& rule = *plan.delta;
    std::vector<std::int64_t> shape = {rule.value_heads};
    if (rule.by_channel) shape = {1, 1, rule.value_heads, 1};
    tensors.push_back({rule.decay, shape, &MixerWeights::decay});
    tensors.push_back({rule.decay_bias, {rule.Decays()}, &MixerWeights::decay_bias});
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
  at::Tensor own = stored.dim() == 3 ? stored.squeeze(1) : stored;
  if (own.dim() == 4) own = own.flatten();
  at::Tensor& place = mixer->*tensor.place;
  place = tensor.part && place.defined() ? at::cat({place, own}) : own;
}

}  // namespace roundlab
