#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/model/block.h"
#include "rounding/stages/learned_quantizers.h"
#include "rounding/stages/quantizer_options.h"

namespace roundlab {

/// Puts a quantizer on what linear layers are fed (ActivationQuantizer), the same on all layers
/// that one tensor feeds. Before a round stage, weights are rounded and tuned for quantized inputs,
/// with a straight-through gradient; after it, inputs are quantized in what was rounded.
///
/// Static ranges are measured behind all that is quantized before this stage, the unit's own inputs
/// still as they are; a batch of an observer is one calibration sequence (of an expert: its tokens
/// of a few). Clusters of channels: see ClusterChannels. `learn` trains their scales, and borders
/// of rounding, by the unit's outputs: see LearnedQuantizers.
class Activations : public Stage {
 public:
  struct Options {
    QuantizerOptions quantizer;
    RangePer per = RangePer::kToken;
    std::int64_t clusters = 8;
    std::int64_t head_clusters = 4;
    std::optional<LearnOptions> learn;
    void Fields(FieldVisitor& f);
  };
  explicit Activations(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kActivations; }
  StageNeeds Needs(const QuantOptions& quant) const override;
  std::int64_t UnitBlocks() const override;
  std::vector<std::string> Series(const std::string& unit,
                                  const std::vector<std::string>& linears) const override;
  std::vector<const TuneOptions*> Tunings() const override;
  GraphBytes KeptByGraph(const BlockPlan& block) const override;
  bool AnyDevice() const override { return true; }
  bool SpansTokens() const override { return options_.quantizer.SpansTokens(options_.per); }
  std::string Match() const override { return options_.quantizer.match; }
  std::shared_ptr<const ActivationQuantizer> InputQuantizer(
      const std::string& layer) const override;
  void Check(const ModelDescription& model, const QuantOptions& quant) const override;
  void Apply(UnitWork* work) const override;

 private:
  using Quantizer = std::shared_ptr<const ActivationQuantizer>;
  using Layers = std::vector<LinearSlot*>;
  std::vector<Quantizer> Measured(UnitWork* work, const std::vector<Layers>& groups) const;
  void Learn(UnitWork* work, const std::vector<Layers>& groups) const;
  ActivationQuantizer Clustered(const GroupRange& range, const LinearSlot& slot,
                                UnitWork* work) const;
  void CheckBlock(const BlockPlan& plan, const QuantOptions& quant) const;

  Options options_;
};

}  // namespace roundlab
