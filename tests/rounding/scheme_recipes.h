#pragma once

#include <string>
#include <vector>

#include "rounding/scheme.h"

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

}  // namespace roundlab::testing
