#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config/registry.h"
#include "core/model/description.h"
#include "rounding/layer_context.h"
#include "rounding/quant_options.h"
#include "rounding/stage_needs.h"
#include "rounding/work.h"

namespace roundlab {

class UnitWork;
struct ActivationQuantizer;
struct TuneOptions;

/// What a stage does to a unit, which decides where it may stand in a pipeline.
enum class StageKind {
  kTransform,    ///< changes weights and norms, leaves the unit's function: before rounding
  kRound,        ///< weights become codes: once
  kRepair,       ///< mends what rounding did: after it
  kActivations,  ///< puts quantizers on inputs of layers, keys and values: after transforms
};

/// Bytes that a backward pass keeps besides, as measured (results/gpu.md).
struct GraphBytes {
  double a_weight = 0;        ///< in a stage's own Tunings()
  double a_token = 0;         ///< there, of each block
  double a_token_behind = 0;  ///< in those of stages behind it
};

/// What a `pipeline` lists, in order. Immutable; all state of a unit is in its UnitWork.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual StageKind Kind() const = 0;
  /// With the ranges that `quant` asks for.
  virtual StageNeeds Needs(const QuantOptions& quant) const = 0;
  /// Consecutive blocks that it wants as a unit.
  virtual std::int64_t UnitBlocks() const { return 1; }
  /// What its progress counts in a unit of so many linear layers: the steps of its Tunings(),
  /// else 1.
  virtual std::int64_t Steps(std::int64_t linears) const;
  /// Names of the per-step series it records for a unit of these layers.
  virtual std::vector<std::string> Series(const std::string& /*unit*/,
                                          const std::vector<std::string>& /*linears*/) const {
    return {};
  }
  /// How it takes optimizer steps, one after another; empty where it takes none.
  virtual std::vector<const TuneOptions*> Tunings() const { return {}; }
  virtual GraphBytes KeptByGraph(const BlockPlan& /*block*/) const { return {}; }
  /// Numbers that it keeps, where the chains lie, of what a block's layers are fed at one position
  /// of all `samples`. hidden: what flows into the block.
  virtual std::int64_t CapturedValues(const BlockPlan& /*block*/, std::int64_t /*hidden*/,
                                      std::int64_t /*samples*/) const {
    return 0;
  }
  /// Bytes that it holds at a time for one of a block's layers, beside weights, codes and
  /// statistics.
  virtual double WorkingBytes(const BlockPlan& /*block*/) const { return 0; }
  /// What it does to a block besides its Tunings(), a few passes over the weights, the chains of
  /// hidden states and the statistics that it asks for. Of calibration: samples of seqlen tokens.
  virtual Work WorkOn(const BlockPlan& /*block*/, const QuantOptions& /*quant*/,
                      std::int64_t /*samples*/, std::int64_t /*seqlen*/) const {
    return {};
  }
  /// Whether it changes nothing where codes are no steps of a grid.
  virtual bool WantsGrid() const { return false; }
  /// Whether units may be on a GPU.
  virtual bool AnyDevice() const { return false; }
  /// Whether what it makes of a token depends on other tokens of its text, besides those before it
  /// that attention sees: then texts can't be scored packed.
  virtual bool SpansTokens() const { return false; }
  /// Whether what it does is right for weights as they are only, so that no repair may follow.
  virtual bool FitsWeights() const { return false; }
  /// Regular expression of the layers that it is for; empty: all. Of two stages of a type that may
  /// stand in one pipeline, the later is an exception to the former.
  virtual std::string Match() const { return ""; }
  /// What it will put on a layer's inputs, with ranges of each text in place of those that are yet
  /// to be measured; null for nothing.
  virtual std::shared_ptr<const ActivationQuantizer> InputQuantizer(
      const std::string& /*layer*/) const {
    return nullptr;
  }
  /// Throws Error for options that do not fit this model.
  virtual void Check(const ModelDescription& /*model*/, const QuantOptions& /*quant*/) const {}
  virtual void Apply(UnitWork* work) const = 0;
};

using StageRegistry = Registry<Stage>;
using StageRecipe = Recipe<Stage>;

/// round; activations and kv_cache; the transforms awq_scale, let, smoothquant, spiq and teq; the
/// repairs bias_correction, lorc and scale_refit.
StageRegistry& Stages();

/// What is wrong with the order of a pipeline's stages, by place; only recipes that can be made are
/// looked at. A stage that needs the Fisher information of the weights can't follow one that
/// changes them, nor a repair one that FitsWeights, none may be there twice, unless the second is
/// for some layers only, and those that are tuned in units of blocks share one unit.
std::map<std::size_t, std::string> OrderProblems(const std::vector<StageRecipe>& pipeline);

/// Throws Error, beginning with "pipeline.2: ", for the first stage that does not fit the model.
void CheckStages(const std::vector<StageRecipe>& pipeline, const ModelDescription& model,
                 const QuantOptions& quant);

/// The layers of a model that `quant` has rounded, in order. What a budget has yet to decide has
/// the fewest bits that it may get.
std::vector<LayerShape> LayersToRound(const ModelDescription& model, const QuantOptions& quant);

/// The union of all stages' needs, those of a stage that draws or tunes included, and the tokens
/// that a budget of bits is spent by.
StageNeeds NeedsOf(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant);

}  // namespace roundlab
