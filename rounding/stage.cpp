#include "rounding/stage.h"

#include <algorithm>
#include <optional>

#include "core/base/error.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {

StageNeeds StageNeeds::operator|(const StageNeeds& other) const {
  StageNeeds all;
  all.tokens = tokens || other.tokens;
  all.original = original || other.original;
  all.quantized = quantized || other.quantized;
  all.watches = watches || other.watches;
  all.seed = seed || other.seed;
  all.tunes = tunes || other.tunes;
  all.fisher = fisher || other.fisher;
  all.of_original = of_original | other.of_original;
  all.of_quantized = of_quantized | other.of_quantized;
  return all;
}

std::int64_t Stage::Steps(std::int64_t /*linears*/) const {
  const auto tunings = Tunings();
  std::int64_t steps = tunings.empty() ? 1 : 0;
  for (const TuneOptions* tune : tunings) steps += tune->steps;
  return steps;
}

namespace {

/// What is wrong with a stage beside those of its type that are before it, or "".
std::string TwinProblem(const std::vector<StageRecipe>& pipeline, std::size_t at) {
  const auto stage = pipeline[at].make();
  for (std::size_t i = 0; i < at; ++i) {
    if (pipeline[i].type != pipeline[at].type || !pipeline[i].make) continue;
    const auto twin = pipeline[i].make();
    const std::string place = "pipeline." + std::to_string(i);
    if (stage->Match().empty() || stage->Match() == twin->Match()) {
      return "'" + pipeline[at].type + "' is there already (" + place + ")" +
             (stage->Kind() == StageKind::kActivations
                  ? ": give this one a match of its own, or leave one out"
                  : "");
    }
    if (!stage->Tunings().empty() && !twin->Tunings().empty()) {
      return "'" + pipeline[at].type + "' is trained by " + place + " already: one with learn at " +
             "the most";
    }
  }
  return "";
}

/// The stage before `at` that is tuned in units of another number of blocks, or "". Layers that are
/// tuned one by one fit into any.
std::string UnitProblem(const std::vector<StageRecipe>& pipeline, std::size_t at) {
  const auto blocks_of = [&pipeline](std::size_t i) {
    std::int64_t blocks = 0;
    if (!pipeline[i].make) return blocks;
    const auto stage = pipeline[i].make();
    for (const TuneOptions* tune : stage->Tunings()) blocks = std::max(blocks, tune->unit_blocks);
    return blocks;
  };
  const std::int64_t own = blocks_of(at);
  for (std::size_t i = 0; i < at && own > 0; ++i) {
    const std::int64_t theirs = blocks_of(i);
    if (theirs == 0 || theirs == own) continue;
    return "'" + pipeline[at].type + "' is tuned in units of " + std::to_string(own) +
           " blocks and pipeline." + std::to_string(i) + " of " + std::to_string(theirs) +
           ": give both the same unit";
  }
  return "";
}

}  // namespace

std::map<std::size_t, std::string> OrderProblems(const std::vector<StageRecipe>& pipeline) {
  std::map<std::size_t, std::string> problems;
  std::optional<std::size_t> rounded;
  std::optional<std::size_t> transformed;
  std::optional<std::size_t> watched;
  std::optional<std::size_t> fitted;
  for (std::size_t i = 0; i < pipeline.size(); ++i) {
    if (!pipeline[i].make) continue;
    const auto stage = pipeline[i].make();
    const StageKind kind = stage->Kind();
    const std::string type = "'" + pipeline[i].type + "'";
    const std::string by = rounded ? "pipeline." + std::to_string(*rounded) : "";
    if (kind == StageKind::kRound && rounded) {
      problems[i] = "the weights are rounded by " + by + " already: one round stage at the most";
    } else if (const std::string twin = TwinProblem(pipeline, i); !twin.empty()) {
      problems[i] = twin;
    } else if (kind == StageKind::kTransform && rounded) {
      problems[i] = type + " transforms weights and must come before they are rounded (" + by + ")";
    } else if (kind == StageKind::kTransform && watched) {
      problems[i] = type + " transforms what layers are fed and must come before pipeline." +
                    std::to_string(*watched) + ", which quantizes that";
    } else if (kind == StageKind::kRepair && !rounded) {
      problems[i] = type + " repairs what rounding did and must come after a round stage";
    } else if (kind == StageKind::kRepair && fitted) {
      problems[i] = type + " changes weights and must come before pipeline." +
                    std::to_string(*fitted) + ", which goes by them";
    } else if (transformed && stage->Needs({}).fisher) {
      problems[i] = type + " needs gradients by the weights as they were, which pipeline." +
                    std::to_string(*transformed) + " transforms";
    } else if (const std::string unit = UnitProblem(pipeline, i); !unit.empty()) {
      problems[i] = unit;
    }
    if (kind == StageKind::kTransform && !transformed) transformed = i;
    if (kind == StageKind::kRound && !rounded) rounded = i;
    if (kind == StageKind::kActivations && !watched) watched = i;
    if (stage->FitsWeights() && !fitted) fitted = i;
  }
  return problems;
}

void CheckStages(const std::vector<StageRecipe>& pipeline, const ModelDescription& model,
                 const QuantOptions& quant) {
  for (std::size_t i = 0; i < pipeline.size(); ++i) {
    try {
      if (pipeline[i].make) pipeline[i].make()->Check(model, quant);
    } catch (const Error& e) {
      throw Error("pipeline." + std::to_string(i) + ": " + e.what());
    }
  }
}

std::vector<LayerShape> LayersToRound(const ModelDescription& model, const QuantOptions& quant) {
  std::vector<LayerShape> layers;
  for (std::int64_t block = 0; block < model.layers; ++block) {
    for (const LinearPlan& linear : model.Plan(block).linears) {
      auto spec = quant.For(linear.name);
      if (!spec) continue;
      const bool open = quant.budget && quant.spent.count(linear.name) == 0;
      if (open && !quant.HasBits(linear.name)) spec->bits = quant.budget->choices.front();
      layers.push_back({linear.name, linear.out, linear.in, *spec});
    }
  }
  return layers;
}

StageNeeds NeedsOf(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant) {
  StageNeeds needs;
  needs.tokens = quant.budget.has_value() && !pipeline.empty();
  for (const StageRecipe& recipe : pipeline) {
    if (recipe.make) needs = needs | recipe.make()->Needs(quant);
  }
  return needs;
}

}  // namespace roundlab
