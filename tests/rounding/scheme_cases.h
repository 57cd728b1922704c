#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rounding/scheme.h"
#include "tests/rounding/random_layer.h"
#include "tests/rounding/scheme_recipes.h"

namespace roundlab::testing {

/// Makes `to` what `from` is.
inline void CopyState(LayerRounding& from, LayerRounding* to) {
  const c10::NoGradGuard no_grad;
  const auto source = from.Parameters();
  const auto target = to->Parameters();
  for (std::size_t g = 0; g < source.size(); ++g) {
    for (std::size_t i = 0; i < source[g].tensors.size(); ++i) {
      target[g].tensors[i].copy_(source[g].tensors[i]);
    }
  }
  const auto state = from.State();
  for (std::size_t i = 0; i < state.size(); ++i) to->State()[i].copy_(state[i]);
}

inline std::string ToString(const QuantSpec& spec) {
  return "bits " + std::to_string(spec.bits) + " group " + std::to_string(spec.group_size) + " " +
         EnumName(spec.grid, GridNames()) + " " + EnumName(spec.scale_dtype, ScaleTypeNames());
}

/// Between neighboring codes, in units of the scale.
inline double WidestStep(const QuantizedWeight& weight) {
  const at::Tensor codes = at::arange(1, std::int64_t{1} << weight.spec.bits, at::kFloat);
  const at::Tensor values = weight.Steps(codes, at::zeros({1}));
  return (values.slice(0, 1) - values.slice(0, 0, -1)).max().item<double>();
}

inline const std::vector<GridKind> kIntegerGrids = {GridKind::kAsym, GridKind::kSym,
                                                    GridKind::kSymFull, GridKind::kSymRestricted};

/// The grids that a scheme takes.
inline std::vector<GridKind> GridsOf(const RoundingScheme& scheme) {
  std::vector<GridKind> grids;
  for (const auto& [grid, name] : GridNames()) {
    if (scheme.OnGrid({.grid = grid}).takes) grids.push_back(grid);
  }
  return grids;
}

/// Calls `check` for all bits x grids x groups x scale dtypes: `in` is 64, or 100 where groups of
/// 24 need filling.
inline void ForAllSpecs(const std::function<void(const QuantSpec&, std::int64_t in)>& check,
                        const std::vector<GridKind>& grids = kIntegerGrids) {
  for (const std::int64_t bits : {2, 3, 4, 8}) {
    for (const GridKind grid : grids) {
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

}  // namespace roundlab::testing
