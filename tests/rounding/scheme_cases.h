#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rounding/scheme.h"
#include "tests/rounding/random_layer.h"

namespace roundlab::testing {

/// A scheme with its defaults, but for one that is made for larger matrices than tests have.
inline std::string SmallRecipe(const std::string& name) {
  const bool large = name == "aqlm";
  return "type: " + name +
         (large ? "\ngroup: 4\ncode_bits: 4\nepochs: 0\nkmeans_iterations: 3" : "");
}

/// YAML of several lines as what stands between braces.
inline std::string InOneLine(std::string recipe) {
  for (std::size_t at = 0; (at = recipe.find('\n', at)) != std::string::npos;) {
    recipe.replace(at, 1, ", ");
  }
  return recipe;
}

/// Every registered scheme with its defaults, and variants whose state differs.
inline std::vector<std::string> SchemeRecipes() {
  std::vector<std::string> recipes;
  for (const std::string& name : RoundingSchemes().Names()) recipes.push_back(SmallRecipe(name));
  recipes.emplace_back("type: signround\ntune_range: false");
  recipes.emplace_back("type: signround\ntune_offset: false");
  recipes.emplace_back("type: signround\noffset_clamp: 0.25\nrange_lr_factor: 2");
  recipes.emplace_back(
      "type: aqlm\ngroup: 4\ncode_bits: 3\ncodebooks: 1\nkmeans_iterations: 2\nepochs: 1\nsteps: "
      "1\n"
      "beam: 2\nfinetune: true");
  recipes.emplace_back("type: aquant\nquadratic: false");
  recipes.emplace_back("type: easyquant\noutliers: 1.5\nsteps: 3");
  recipes.emplace_back("type: flexround\ntune_scale: false\ntune_row: false");
  recipes.emplace_back("type: llm_int8\nthreshold: 1.5");
  recipes.emplace_back("type: llm_int8\ncolumns: codes");
  recipes.emplace_back("type: lrq\nrank: 3\ntune_row: false\ntune_column: false");
  recipes.emplace_back("type: nupes\ntune_exponent: false\nsharpness: 10");
  recipes.emplace_back("type: nupes\ntune_offset: false");
  recipes.emplace_back("type: omniquant\ninit: 2\nown_range: false");
  recipes.emplace_back("type: powerquant\nexponent: 0.5");
  recipes.emplace_back("type: signround_v2\nown_range: false");
  recipes.emplace_back("type: signround_v2\ntune_offset: false");
  recipes.emplace_back("type: quip\nbasis: own\nin_double: true");
  recipes.emplace_back("type: quip\nbasis: mixed\nspreads: [1.5, 2.4]");
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
