#include "rounding/ranges/awq_clip.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/kernels/ops.h"
#include "rounding/solvers/awq.h"

namespace roundlab {
namespace {

bool IsQueryOrKey(const std::string& name) {
  for (const char* part : {"q_", "k_", "query", "key", "Wqkv"}) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

void AwqClip::Options::Fields(FieldVisitor& f) {
  f.Int("steps", &steps, AtLeast(1), "candidates in the unit interval");
  f.Real("max_shrink", &max_shrink, Between(0, 1), "largest part of the range to take away");
  f.Int("tokens", &tokens, AtLeast(1),
        "inputs that outputs are compared on, at least; of an expert its part of them");
  f.Bool("skip_query_key", &skip_query_key, "leave the ranges of q and k as they are");
}

LayerNeeds AwqClip::Uses() const {
  LayerNeeds needs;
  needs.inputs.sample = options_.tokens;
  needs.chain = Chain::kOriginal;
  return needs;
}

GroupRange AwqClip::Estimate(const LayerContext& layer) const {
  const GroupLayout layout = layer.Layout();
  const GroupRange whole = MinMaxRange(layout.Split(layer.weight));
  if (options_.skip_query_key && IsQueryOrKey(layer.name.substr(layer.name.rfind('.') + 1))) {
    return whole;
  }
  if (!layer.inputs) throw Error(layer.name + ": range 'awq_clip' needs calibration data");
  const at::Tensor& sample = layer.inputs->sample;
  if (!sample.defined() || !sample.isfinite().all().item<bool>()) {
    if (layer.tell) layer.tell(layer.name + ": range of its weights, since no input is usable");
    return whole;
  }
  AwqClipProblem problem;
  problem.weight = layer.weight;
  const std::int64_t stride = std::max<std::int64_t>(1, sample.size(0) / options_.tokens);
  problem.inputs = sample.slice(0, 0, sample.size(0), stride).contiguous();
  problem.layout = layout;
  problem.steps = options_.steps;
  problem.max_shrink = options_.max_shrink;
  problem.quantize = [&](const at::Tensor& groups) {
    const AffineGrid grid = MakeGrid(MinMaxRange(groups), layer.spec);
    return FakeQuant(groups, {}, grid.scale, grid.zero, layer.spec.CodeMax());
  };
  const at::Tensor clip = SearchAwqClip(problem);
  return {at::max(whole.low, -clip), at::min(whole.high, clip)};
}

Work AwqClip::WorkOn(const LayerShape& layer) const {
  const double candidates =
      std::max(1.0, std::floor(options_.max_shrink * static_cast<double>(options_.steps)));
  const double flops = 2 * static_cast<double>(options_.tokens) * layer.Weights();
  return {.flops = candidates * flops,
          .values = candidates * 20 * layer.Weights(),
          .ops = 20 * candidates};
}

}  // namespace roundlab
