#include <algorithm>
#include <functional>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "rounding/range.h"
#include "rounding/stages/round.h"

// What a round stage fits with: models, layers, grids and ranges.

namespace roundlab {
namespace {

struct AskedGrid {
  std::string key;  // in the configuration
  GridKind kind;
};

/// That `quant` asks for.
std::vector<AskedGrid> GridsOf(const QuantOptions& quant) {
  std::vector<AskedGrid> asked = {{"quant.grid", quant.spec.grid}};
  for (std::size_t i = 0; i < quant.overrides.size(); ++i) {
    const auto& grid = quant.overrides[i].grid;
    if (grid) asked.push_back({"quant.overrides." + std::to_string(i) + ".grid", *grid});
  }
  return asked;
}

std::vector<std::string> GridsWhere(const std::function<bool(GridKind)>& holds) {
  std::vector<std::string> names;
  for (const auto& [kind, name] : GridNames()) {
    if (holds(kind)) names.emplace_back(name);
  }
  return names;
}

std::string GridProblem(const RoundingRecipe& recipe, const QuantOptions& quant) {
  const auto scheme = recipe.make();
  for (const auto& [key, grid] : GridsOf(quant)) {
    if (scheme->OnGrid({.grid = grid}).takes) continue;
    const std::string got = EnumName(grid, GridNames());
    return key + " '" + got + "': scheme '" + recipe.type + "' does not take it" +
           SuggestionSuffix(
               got, GridsWhere([&](GridKind g) { return scheme->OnGrid({.grid = g}).takes; }));
  }
  return "";
}

}  // namespace

void RoundStage::CheckUnit(const ModelDescription& model, const QuantOptions& quant) const {
  if (!scheme_->Traits().tunable) return;
  const TuneOptions& tune = options_.tune;
  if (tune.loss.make()->OfLogits() && tune.unit_blocks < model.layers) {
    throw Error("loss '" + tune.loss.type + "' is of the model's logits and needs unit: {blocks: " +
                std::to_string(model.layers) + "}, the whole model");
  }
  if (tune.unit_blocks != 0) return;
  for (std::int64_t i = 0; i < model.layers; ++i) {
    for (const LinearPlan& linear : model.Plan(i).linears) {
      if (linear.expert < 0 || !quant.For(linear.name)) continue;
      throw Error(linear.name +
                  ": an expert can't be tuned by itself: the tokens it is sent change with what is "
                  "rounded (use unit: block)");
    }
  }
}

void RoundStage::CheckStart(const LayerShape& layer) const {
  if (start_->scheme_->OnLayer(layer).plain_codes) return;
  const auto known = SchemesThat([&](const RoundingScheme& scheme) {
    return scheme.OnLayer(layer).plain_codes && scheme.OnGrid({.grid = layer.spec.grid}).takes;
  });
  throw Error(layer.name + ": start: scheme '" + options_.start->scheme.type +
              "', as its options are, makes more than codes on a grid of runs of columns, "
              "from which '" +
              options_.scheme.type + "' can't begin" + SuggestionSuffix("", known));
}

void RoundStage::CheckLayer(LayerShape layer, const QuantOptions& quant) const {
  const bool open = quant.budget && quant.spent.count(layer.name) == 0;
  if (!open || quant.HasBits(layer.name)) return scheme_->Check(layer);
  for (const std::int64_t bits : quant.budget->choices) {
    layer.spec.bits = bits;
    try {
      scheme_->Check(layer);
    } catch (const Error& e) {
      throw Error("of quant.budget's choices " + std::to_string(bits) + ": " + e.what());
    }
  }
}

void RoundStage::Check(const ModelDescription& model, const QuantOptions& quant) const {
  CheckUnit(model, quant);
  for (const LayerShape& layer : LayersToRound(model, quant)) {
    CheckLayer(layer, quant);
    if (start_) CheckStart(layer);
  }
  if (start_) start_->Check(model, quant);
}

std::optional<RoundOptions> RoundOptionsOf(const std::vector<StageRecipe>& pipeline) {
  for (const StageRecipe& recipe : pipeline) {
    if (!recipe.make) continue;
    const auto stage = recipe.make();
    if (const auto* round = dynamic_cast<const RoundStage*>(stage.get())) return round->options();
  }
  return std::nullopt;
}

std::string UnfitGrid(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant) {
  const auto round = RoundOptionsOf(pipeline);
  if (!round) return "";
  const std::string problem = GridProblem(round->scheme, quant);
  if (!problem.empty() || !round->start) return problem;
  return GridProblem(round->start->scheme, quant);
}

std::string UnusedRange(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant) {
  const auto round = RoundOptionsOf(pipeline);
  if (!round || quant.range.type == "minmax") return "";
  const auto scheme = round->scheme.make();
  const std::vector<AskedGrid> grids = GridsOf(quant);
  for (const auto& [key, grid] : grids) {
    if (!scheme->OnGrid({.grid = grid}).own_range) continue;
    return "quant.range '" + quant.range.type + "': scheme '" + round->scheme.type +
           "' makes its own on grid '" + EnumName(grid, GridNames()) +
           "' and would pass over it: leave it out (or, where the scheme has it, set own_range: "
           "false)";
  }
  const auto range = quant.range.make();
  const bool searches = std::any_of(grids.begin(), grids.end(),
                                    [&](const AskedGrid& g) { return range->SearchesOn(g.kind); });
  if (searches) return "";
  return "quant.range '" + quant.range.type + "' is min-max on grid '" +
         EnumName(quant.spec.grid, GridNames()) + "'" +
         SuggestionSuffix("", GridsWhere([&](GridKind g) { return range->SearchesOn(g); }));
}

}  // namespace roundlab
