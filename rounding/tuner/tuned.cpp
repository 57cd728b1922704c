#include "rounding/tuner/tuned.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/base/error.h"

namespace roundlab {

RoundedLayers::RoundedLayers(std::vector<LinearSlot*> slots, const Layers& layers)
    : slots_(std::move(slots)), layers_(layers) {
  ROUNDLAB_CHECK(slots_.size() == layers_.size(), "one layer state a slot");
}

std::vector<ParameterGroup> RoundedLayers::Parameters() {
  std::vector<ParameterGroup> groups;
  for (const auto& layer : layers_) {
    for (ParameterGroup& group : layer->Parameters()) groups.push_back(std::move(group));
  }
  return groups;
}

void RoundedLayers::Install(Hardness hardness) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    at::Tensor weight =
        hardness == Hardness::kSoft ? layers_[i]->SoftWeight() : layers_[i]->Finish().Dequantize();
    if (!weight.defined() || !weight.sizes().equals(slots_[i]->weight.sizes())) {
      throw Error(slots_[i]->name +
                  ": what its scheme puts in place of the weight has not its shape");
    }
    slots_[i]->effective = std::move(weight);
  }
}

at::Tensor RoundedLayers::Penalty(double progress) {
  at::Tensor sum;
  for (const auto& layer : layers_) {
    const at::Tensor penalty = layer->Penalty(progress);
    if (penalty.defined()) sum = sum.defined() ? sum + penalty : penalty;
  }
  return sum;
}

bool RoundedLayers::Project(double progress) {
  bool anew = false;
  for (const auto& layer : layers_) anew = layer->Project(progress) || anew;
  return anew;
}

std::vector<at::Tensor> RoundedLayers::State() {
  std::vector<at::Tensor> all;
  for (const auto& layer : layers_) {
    const std::vector<at::Tensor> state = layer->State();
    all.insert(all.end(), state.begin(), state.end());
  }
  return all;
}

bool RoundedLayers::StepsInBackward() const {
  return std::all_of(layers_.begin(), layers_.end(), [](const auto& layer) {
    const auto* stepper = dynamic_cast<const BackwardStepper*>(layer.get());
    return stepper != nullptr && stepper->StepsInBackward();
  });
}

void RoundedLayers::PlanSteps(const std::vector<double>& lrs) {
  auto lr = lrs.begin();
  for (const auto& layer : layers_) {
    const auto count = static_cast<std::ptrdiff_t>(layer->Parameters().size());
    dynamic_cast<BackwardStepper&>(*layer).PlanSteps({lr, lr + count});
    lr += count;
  }
}

}  // namespace roundlab
