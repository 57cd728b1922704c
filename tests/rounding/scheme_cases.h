#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rounding/scheme.h"

namespace roundlab::testing {

/// Every registered scheme with its defaults, and variants whose state differs.
inline std::vector<std::string> SchemeRecipes() {
  std::vector<std::string> recipes;
  for (const std::string& name : RoundingSchemes().Names()) recipes.push_back("type: " + name);
  recipes.emplace_back("type: signround\ntune_range: false");
  recipes.emplace_back("type: signround\ntune_offset: false");
  recipes.emplace_back("type: signround\noffset_clamp: 0.25\nrange_lr_factor: 2");
  recipes.emplace_back("type: adaround\nbeta_schedule: cosine\nwarmup: 0");
  return recipes;
}

/// Normal weights, some rows scaled, one row all positive.
inline at::Tensor RandomWeight(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  at::Tensor weight = at::randn({out, in}, generator, at::TensorOptions(at::kFloat)) * 0.1;
  weight[0] *= 8;
  weight[1] = weight[1].abs() + 0.01;
  return weight;
}

inline LayerContext MakeLayer(const at::Tensor& weight, const QuantSpec& spec,
                              std::uint64_t seed = 7) {
  LayerContext layer{"layer", weight, spec, {}, seed};
  layer.range = MinMaxRange(layer.Layout().Split(weight));
  return layer;
}

inline std::string ToString(const QuantSpec& spec) {
  return "bits " + std::to_string(spec.bits) + " group " + std::to_string(spec.group_size) + " " +
         EnumName(spec.grid, GridNames()) + " " + EnumName(spec.scale_dtype, ScaleTypeNames());
}

/// Calls `check` for all bits x grids x groups x scale dtypes: `in` is 64, or 100 where groups of
/// 24 need filling.
inline void ForAllSpecs(const std::function<void(const QuantSpec&, std::int64_t in)>& check) {
  for (const std::int64_t bits : {2, 3, 4, 8}) {
    for (const GridKind grid : {GridKind::kAsym, GridKind::kSym, GridKind::kSymFull}) {
      for (const std::int64_t group : {32, -1, 0, 24}) {
        for (const ScaleType dtype :
             {ScaleType::kFloat32, ScaleType::kFloat16, ScaleType::kBFloat16}) {
          const QuantSpec spec{bits, group, grid, dtype, false};
          SCOPED_TRACE(ToString(spec));
          check(spec, group == 24 ? 100 : 64);
        }
      }
    }
  }
}

/// Moves the parameters as an optimizer with a random loss would, then projects: after it V, the
/// range factors and logits are away from their start.
inline void RandomSteps(LayerRounding* layer, std::uint64_t seed, int steps) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const c10::NoGradGuard no_grad;
  for (int step = 0; step < steps; ++step) {
    for (const ParameterGroup& group : layer->Parameters()) {
      for (const at::Tensor& p : group.tensors) {
        p.add_(at::randn(p.sizes(), generator, p.options()), 0.15);
      }
    }
    layer->Project(0.5);
  }
}

/// Same bits, so that a zero of another sign or a NaN counts as different.
inline bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() &&
         at::equal(a.detach().contiguous().view(at::kInt), b.detach().contiguous().view(at::kInt));
}

inline bool SameWeights(const QuantizedWeight& a, const QuantizedWeight& b) {
  return at::equal(a.codes, b.codes) && SameBits(a.scale, b.scale) && SameBits(a.zero, b.zero);
}

}  // namespace roundlab::testing
