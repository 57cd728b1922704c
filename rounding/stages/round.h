#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/model/ends.h"
#include "rounding/scheme.h"
#include "rounding/schemes/oscillation.h"
#include "rounding/stage.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {

struct LinearSlot;

/// A scheme and how it is tuned.
struct SchemeOptions {
  RoundingRecipe scheme;
  TuneOptions tune;
  std::optional<OscillationOptions> oscillation;  ///< of straight-through schemes that are tuned
  void Fields(FieldVisitor& f);
  /// Of this scheme: see RoundingScheme::Tuning.
  SchemeOptions Defaults() const;
};

struct RoundOptions : SchemeOptions {
  /// What is made of a unit before: the scheme begins from its codes and scales
  /// (LayerContext::start).
  std::optional<SchemeOptions> start;
  void Fields(FieldVisitor& f);
  RoundOptions Defaults() const;
};

/// Makes codes of weights. A scheme with parameters is tuned so that a unit (tune.unit_blocks)
/// reproduces what the unquantized one puts out; others round layer by layer. A `start` is made of
/// the whole unit first, and its measurements lie below start/; layers are fed by what is behind
/// the started ones until they are rounded themselves.
class RoundStage : public Stage {
 public:
  using Options = RoundOptions;
  explicit RoundStage(const Options& options);

  StageKind Kind() const override { return StageKind::kRound; }
  StageNeeds Needs(const QuantOptions& quant) const override;
  std::int64_t UnitBlocks() const override;
  std::int64_t Steps(std::int64_t linears) const override;
  std::vector<std::string> Series(const std::string& unit,
                                  const std::vector<std::string>& linears) const override;
  std::vector<const TuneOptions*> Tunings() const override;
  double WorkingBytes(const BlockPlan& block) const override;
  Work WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t samples,
              std::int64_t seqlen) const override;
  bool AnyDevice() const override {
    return (!scheme_->Traits().tunable || scheme_->Traits().any_device) &&
           (!start_ || start_->AnyDevice());
  }
  void Check(const ModelDescription& model, const QuantOptions& quant) const override;
  void Apply(UnitWork* work) const override;
  /// With `select` decided.
  const Options& options() const { return options_; }

 private:
  using Started = std::map<std::string, std::shared_ptr<const QuantizedWeight>>;
  Started MakeStart(UnitWork* work) const;
  LayerContext Context(UnitWork* work, const LinearSlot& slot, const Started& started) const;
  void CheckUnit(const ModelDescription& model, const QuantOptions& quant) const;
  /// With each number of bits that a budget may give it.
  void CheckLayer(LayerShape layer, const QuantOptions& quant) const;
  void CheckStart(const LayerShape& layer) const;
  /// The model's ends where the loss is of logits.
  std::optional<ModelEnds> HeadFor(const UnitWork& work) const;
  void RoundOneShot(UnitWork* work, const Started& started) const;
  void TuneLinears(UnitWork* work, const Started& started) const;
  void TuneBlocks(UnitWork* work, const Started& started) const;
  /// Throws Error where the scheme, which may be a plug-in's, gives none or changes the weight.
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const;
  std::unique_ptr<LayerRounding> BeginTuned(const LayerContext& layer) const;
  /// Throws Error where SoftWeight and Finish of a straight-through scheme differ.
  void CheckStraight(const LayerContext& layer, LayerRounding* state,
                     const QuantizedWeight& rounded) const;

  Options options_;
  std::shared_ptr<const RoundingScheme> scheme_;
  std::shared_ptr<const RoundStage> start_;  // null where there is none
};

/// The options of a pipeline's round stage; none where it has none.
std::optional<RoundOptions> RoundOptionsOf(const std::vector<StageRecipe>& pipeline);

/// What is wrong with the grids that `quant` asks for, given the pipeline's scheme, or "".
std::string UnfitGrid(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant);

/// What is wrong with a range other than the default, minmax, where the pipeline's scheme makes its
/// own, or where it searches on none of the grids that are asked for, or "".
std::string UnusedRange(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant);

}  // namespace roundlab
