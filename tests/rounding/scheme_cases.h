#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rounding/scheme.h"
#include "tests/rounding/random_layer.h"

namespace roundlab::testing {

/// Every registered scheme with its defaults, and variants whose state differs.
inline std::vector<std::string> SchemeRecipes() {
  std::vector<std::string> recipes;
  for (const std::string& name : RoundingSchemes().Names()) recipes.push_back("type: " + name);
  recipes.emplace_back("type: signround\ntune_range: false");
  recipes.emplace_back("type: signround\ntune_offset: false");
  recipes.emplace_back("type: signround\noffset_clamp: 0.25\nrange_lr_factor: 2");
  recipes.emplace_back("type: aquant\nquadratic: false");
  recipes.emplace_back("type: easyquant\noutliers: 1.5\nsteps: 3");
  recipes.emplace_back("type: flexround\ntune_scale: false\ntune_row: false");
  recipes.emplace_back("type: lrq\nrank: 3\ntune_row: false\ntune_column: false");
  recipes.emplace_back("type: omniquant\ninit: 2\nown_range: false");
  recipes.emplace_back(
      "type: signround\noscillation: {momentum: 0.5, freeze: 0.3, start: 0, dampen: 0.1}");
  recipes.emplace_back("type: signround_v2\nown_range: false");
  recipes.emplace_back("type: signround_v2\ntune_offset: false");
  recipes.emplace_back("type: squeezellm\nsolver: exact");
  recipes.emplace_back("type: squeezellm\nsensitivity: inputs\noutlier_range: 1\niterations: 3");
  recipes.emplace_back("type: squeezellm\nsensitivity: none\nsensitive_share: 0.1\nsolver: exact");
  recipes.emplace_back("type: tesseraq\ntune_scale: false");
  recipes.emplace_back("type: tesseraq\nthresholds: [0.5]\nown_range: false");
  recipes.emplace_back("type: adaround\nbeta_schedule: cosine\nwarmup: 0");
  recipes.emplace_back("type: gptq\norder: activation\nin_double: true");
  recipes.emplace_back("type: gptq\norder: activation\nstatic_groups: true");
  recipes.emplace_back("type: gptq\norder: group_aware\nblock_size: 10\nstale_groups: false");
  recipes.emplace_back("type: gptq\nasymmetric: true");
  recipes.emplace_back("type: hqq\nround_zero: always\nearly_stop: false");
  return recipes;
}

inline std::string ToString(const QuantSpec& spec) {
  return "bits " + std::to_string(spec.bits) + " group " + std::to_string(spec.group_size) + " " +
         EnumName(spec.grid, GridNames()) + " " + EnumName(spec.scale_dtype, ScaleTypeNames());
}

inline const std::vector<GridKind> kIntegerGrids = {GridKind::kAsym, GridKind::kSym,
                                                    GridKind::kSymFull, GridKind::kSymRestricted};

/// The grids that a scheme takes.
inline std::vector<GridKind> GridsOf(const RoundingScheme& scheme) {
  std::vector<GridKind> grids;
  for (const auto& [grid, name] : GridNames()) {
    if (scheme.Takes(grid)) grids.push_back(grid);
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
