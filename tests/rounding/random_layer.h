#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "rounding/scheme.h"
#include "tests/rounding/same_weights.h"

namespace roundlab::testing {

/// Normal weights, some rows scaled, one row all positive.
inline at::Tensor RandomWeight(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  at::Tensor weight = at::randn({out, in}, generator, at::TensorOptions(at::kFloat)) * 0.1;
  weight[0] *= 8;
  weight[1] = weight[1].abs() + 0.01;
  return weight;
}

inline std::shared_ptr<const InputStatistics> MakeInputs(std::int64_t in, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const auto normal = [&](at::IntArrayRef shape) {
    return at::randn(shape, generator, at::TensorOptions(at::kFloat));
  };
  const at::Tensor x =
      at::mm(normal({50, in}), normal({in, in}) * 0.2 + at::eye(in)) * at::linspace(0.2, 3, in);
  auto inputs = std::make_shared<InputStatistics>();
  inputs->tokens = 50;
  inputs->mean = x.mean(0);
  inputs->absolute_mean = x.abs().mean(0);
  inputs->absolute_max = x.abs().amax(0);
  inputs->square_mean = x.square().mean(0);
  inputs->second_moment = at::mm(x.t(), x);
  inputs->cross_moment = at::mm(normal({50, in}).t(), x) * 0.1;
  inputs->sample = x;
  return inputs;
}

/// What 50 tokens of `in` channels say, the sizes of which differ and which lean on each other.
/// Made once: laws ask for the same ones thousands of times.
inline std::shared_ptr<const InputStatistics> RandomInputs(std::int64_t in, std::uint64_t seed) {
  static std::map<std::pair<std::int64_t, std::uint64_t>, std::shared_ptr<const InputStatistics>>
      made;
  auto& inputs = made[{in, seed}];
  if (!inputs) inputs = MakeInputs(in, seed);
  return inputs;
}

inline LayerContext MakeLayer(const at::Tensor& weight, const QuantSpec& spec,
                              std::uint64_t seed = 7) {
  LayerContext layer{"layer", weight, spec, {}, seed};
  layer.range = MinMaxRange(layer.Layout().Split(weight));
  layer.inputs = RandomInputs(weight.size(1), 3);
  if (!weight.is_cpu()) {
    layer.inputs = std::make_shared<InputStatistics>(layer.inputs->To(weight.device()));
  }
  layer.fisher = weight.square() * layer.inputs->square_mean;
  return layer;
}

inline std::unique_ptr<LayerRounding> BeginLayer(const std::string& recipe,
                                                 const LayerContext& context) {
  return RoundingSchemes().FromText(recipe).make()->Begin(context);
}

/// "offset1 range2 ": names of a scheme's parameter groups and how many tensors each has.
inline std::string GroupNames(const std::string& recipe, const LayerContext& context) {
  std::string names;
  for (const ParameterGroup& group : BeginLayer(recipe, context)->Parameters()) {
    names += group.name + std::to_string(group.tensors.size()) + " ";
  }
  return names;
}

/// Tensor i of a parameter group.
inline at::Tensor ParameterOf(LayerRounding& layer, const std::string& name, std::size_t i = 0) {
  for (const ParameterGroup& group : layer.Parameters()) {
    if (group.name == name) return group.tensors.at(i);
  }
  ROUNDLAB_CHECK(false, "no group " + name);
  return {};
}

/// Moves the parameters as an optimizer with a random loss would.
inline void RandomMove(LayerRounding* layer, at::Generator generator) {
  const c10::NoGradGuard no_grad;
  for (const ParameterGroup& group : layer->Parameters()) {
    for (const at::Tensor& p : group.tensors) {
      p.add_(at::randn(p.sizes(), generator, p.options()), 0.15);
    }
  }
}

/// Moves and projects: after it V, the range factors and logits are away from their start.
inline void RandomSteps(LayerRounding* layer, std::uint64_t seed, int steps,
                        double progress = 0.5) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  for (int step = 0; step < steps; ++step) {
    RandomMove(layer, generator);
    layer->Project(progress);
  }
}

}  // namespace roundlab::testing
