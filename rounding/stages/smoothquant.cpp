#include "rounding/stages/smoothquant.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "rounding/stages/scale_groups.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

constexpr double kLeast = 1e-5;

}  // namespace

at::Tensor SmoothScale(const at::Tensor& largest, const std::vector<at::Tensor>& weights,
                       double alpha) {
  const at::Tensor of_weights = LargestByInput(weights).clamp_min(kLeast);
  return (largest.pow(alpha) / of_weights.pow(1 - alpha)).clamp_min(kLeast);
}

void SmoothQuant::Options::Fields(FieldVisitor& f) {
  f.Real("alpha", &alpha, Between(0, 1), "0: all difficulty to the activations, 1: to the weights");
}

StageNeeds SmoothQuant::Needs(const QuantOptions& /*quant*/) const {
  StageNeeds needs;
  needs.tokens = true;
  needs.original = true;
  needs.of_original.absolute_max = true;
  return needs;
}

void SmoothQuant::Apply(UnitWork* work) const {
  const at::NoGradGuard no_grad;
  const std::vector<ScaleGroup> groups =
      FreeGroups(*work, NormGroups(work->unit()), "not smoothed");
  std::vector<LinearSlot*> readers;  // one of each input
  for (const ScaleGroup& group : groups) readers.push_back(group.slots.front());
  work->Measure(readers, Chain::kOriginal);
  std::vector<at::Tensor> scales;  // all before one is folded
  for (const ScaleGroup& group : groups) {
    const auto inputs = work->Statistics(*group.slots.front(), Chain::kOriginal);
    const at::Tensor& scale =
        scales.emplace_back(SmoothScale(inputs->absolute_max, Weights(group), options_.alpha));
    for (const LinearSlot* slot : group.slots) {
      work->sink()->Array(
          "layers/" + slot->name + "/smooth_scale", {3},
          {scale.min().item<double>(), scale.mean().item<double>(), scale.max().item<double>()});
    }
  }
  for (std::size_t i = 0; i < groups.size(); ++i) Fold(groups[i], scales[i]);
  work->Step();
}

}  // namespace roundlab
