#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rounding/scheme.h"
#include "rounding/stage.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {

/// A scheme and how it is tuned.
struct RoundOptions {
  RoundingRecipe scheme;
  TuneOptions tune;
  void Fields(FieldVisitor& f);
  /// Of this scheme: see RoundingScheme::Tuning.
  RoundOptions Defaults() const;
  /// Without what the scheme has no use for: how a scheme without parameters would be tuned.
  RoundOptions Used() const;
};

/// Makes codes of weights. A scheme with parameters is tuned so that a unit (tune.unit_blocks)
/// reproduces what the unquantized one puts out; others round layer by layer.
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
  const TuneOptions* Tuning() const override {
    return scheme_->Tunable() ? &options_.tune : nullptr;
  }
  bool AnyDevice() const override { return !scheme_->Tunable() || scheme_->AnyDevice(); }
  void Apply(UnitWork* work) const override;
  /// With `select` decided.
  const Options& options() const { return options_; }

 private:
  void RoundOneShot(UnitWork* work) const;
  void TuneLinears(UnitWork* work) const;
  void TuneBlocks(UnitWork* work) const;

  Options options_;
  std::shared_ptr<const RoundingScheme> scheme_;
};

/// The options of a pipeline's round stage; none where it has none.
std::optional<RoundOptions> RoundOptionsOf(const std::vector<StageRecipe>& pipeline);

/// What is wrong with the grids that `quant` asks for, given the pipeline's scheme, or "".
std::string UnfitGrid(const std::vector<StageRecipe>& pipeline, const QuantOptions& quant);

/// Sequences that a layer's output error is measured on.
constexpr std::int64_t kSampleRows = 4;

}  // namespace roundlab
