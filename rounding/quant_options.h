#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/quant/spec.h"
#include "rounding/bit_budget.h"
#include "rounding/range.h"

namespace roundlab {

/// What differs for the layers whose whole name matches a regular expression.
struct LayerOverride {
  std::string match;
  std::optional<std::int64_t> bits;
  std::optional<std::int64_t> group_size;
  std::optional<GridKind> grid;
  void Fields(FieldVisitor& f);
};

/// The `quant` section: how weights are put on a grid, layer by layer.
struct QuantOptions {
  QuantSpec spec;                   ///< with a budget, its bits are nobody's
  std::optional<BitBudget> budget;  ///< in place of quant.bits
  RangeRecipe range;
  std::vector<LayerOverride> overrides;  ///< the first that matches counts
  std::vector<std::string> skip;         ///< regular expressions of layers that stay as they are

  /// Bits that the budget gave to layers; the pipeline fills it in.
  std::map<std::string, std::int64_t> spent = {};

  QuantOptions();
  void Fields(FieldVisitor& f);
  /// The spec of layer `name` ("model.layers.0.mlp.up_proj"), nullopt where it is skipped.
  std::optional<QuantSpec> For(const std::string& name) const;
  /// Whether an override says how many bits layer `name` has.
  bool HasBits(const std::string& name) const;
  /// Throws Error for an override or skip that no layer matches. Embedding and head are never
  /// rounded; skipping them is allowed and changes nothing.
  void CheckAgainst(const std::vector<std::string>& layers) const;
};

}  // namespace roundlab
