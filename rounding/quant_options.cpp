#include "rounding/quant_options.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/config/optional_field.h"
#include "core/config/part_field.h"
#include "core/config/value_fields.h"
#include "rounding/layer_pattern.h"

namespace roundlab {
namespace {

/// quant.bits beside a budget.
class NoBits : public ValueField {
 public:
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind == ConfigNode::Kind::kNull) return;
    diagnostics->push_back(
        {node.where, path + ": quant.budget decides the bits of each layer: leave this one out "
                            "(null where it is inherited)"});
  }
  std::string Write() const override { return ""; }
  std::string Type() const override { return "nothing"; }
};

const LayerOverride* FirstMatch(const std::vector<LayerOverride>& overrides,
                                const std::string& name) {
  for (const LayerOverride& change : overrides) {
    if (MatchesLayer(change.match, name)) return &change;
  }
  return nullptr;
}

}  // namespace

void LayerOverride::Fields(FieldVisitor& f) {
  f.String("match", &match, "regular expression of whole layer names", Presence::kRequired);
  OptionalInt bits_field(&bits, Between(2, 8));
  f.Value("bits", bits_field, "bits per weight");
  OptionalInt group_field(&group_size, AtLeast(-1));
  f.Value("group_size", group_field, "as quant.group_size");
  OptionalEnum grid_field(&grid, GridNames());
  f.Value("grid", grid_field, "as quant.grid");
  f.Rule([this] { return PatternProblem(match); });
}

QuantOptions::QuantOptions() : range(RangeEstimators().FromText("type: minmax")) {}

void QuantOptions::Fields(FieldVisitor& f) {
  BudgetField budget_field(&budget);
  f.Value("budget", budget_field,
          "bits a weight on average, spent over the layers where they matter most, in place of "
          "bits");
  if (budget) {
    NoBits none;
    f.Value("bits", none, "");
    spec.FieldsButBits(f);
  } else {
    spec.Fields(f);
  }
  PartField range_field(&range, RangeEstimators());
  f.Value("range", range_field, "the range that each group's grid covers");
  ListOf<LayerOverride> override_field(&overrides);
  f.Value("overrides", override_field, "other settings for some layers; the first match counts");
  StringList skip_field(&skip);
  f.Value("skip", skip_field, "regular expressions of layers that are not rounded");
  f.Rule([this]() -> std::string {
    for (const std::string& pattern : skip) {
      const std::string problem = PatternProblem(pattern);
      if (!problem.empty()) return "skip: " + problem;
    }
    return "";
  });
}

std::optional<QuantSpec> QuantOptions::For(const std::string& name) const {
  for (const std::string& pattern : skip) {
    if (MatchesLayer(pattern, name)) return std::nullopt;
  }
  QuantSpec own = spec;
  if (const auto found = spent.find(name); found != spent.end()) own.bits = found->second;
  if (const LayerOverride* change = FirstMatch(overrides, name)) {
    own.bits = change->bits.value_or(own.bits);
    own.group_size = change->group_size.value_or(own.group_size);
    own.grid = change->grid.value_or(own.grid);
  }
  return own;
}

bool QuantOptions::HasBits(const std::string& name) const {
  const LayerOverride* change = FirstMatch(overrides, name);
  return change != nullptr && change->bits.has_value();
}

void QuantOptions::CheckAgainst(const std::vector<std::string>& layers) const {
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    RequireMatch("quant.overrides." + std::to_string(i) + ".match", overrides[i].match, layers);
  }
  std::vector<std::string> all = layers;
  all.insert(all.end(), {"lm_head", "model.embed_tokens"});
  for (std::size_t i = 0; i < skip.size(); ++i) {
    RequireMatch("quant.skip." + std::to_string(i), skip[i], all);
  }
}

}  // namespace roundlab
