#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/quant/spec.h"
#include "rounding/stage.h"
#include "rounding/stages/scale_groups.h"
#include "rounding/tuner/tune_options.h"
#include "rounding/tuner/tuned.h"

namespace roundlab {

/// What the trained scales start from.
enum class TeqStart {
  kOnes,
  kWeights,  ///< 1 / sqrt(max |w|) of the channel over all that read it
};

/// One scale alpha [in] for each group of linears that share an input:
///   y = (x / alpha) Q(W diag(alpha))^T
/// with Q nearest codes on min-max ranges, alpha at least 1e-5. The gradient of Q is that of its
/// argument (intel/neural-compressor at 9b47d09: neither the clamp nor the scale has a part in it).
class TrainedScales : public Tuned {
 public:
  /// specs[g][i]: of groups[g].slots[i], none where it is not rounded.
  using Specs = std::vector<std::vector<std::optional<QuantSpec>>>;
  TrainedScales(std::vector<ScaleGroup> groups, Specs specs, TeqStart start);

  std::vector<ParameterGroup> Parameters() override;
  void Install(Hardness hardness) override;
  /// The scale of a group, [in] float32.
  at::Tensor Scale(std::size_t group) const;
  /// Folds all scales (see Fold) and leaves the groups' slots as they are then.
  void FoldAll();

 private:
  std::vector<ScaleGroup> groups_;
  Specs specs_;
  std::vector<at::Tensor> alphas_;
};

/// TEQ, trainable equivalent transformation (arXiv 2310.10944): scales of input channels, trained
/// with weights rounded to nearest, then folded: W diag(alpha), and the norm before it / alpha.
///
/// Where we differ: the loss is that of a block's outputs, as everywhere here (the paper's is the
/// language model's); the warm-up begins at 1 / its steps, not at 0; options.select decides which
/// state is kept (best_full: never worse than the start on the calibration sequences).
class Teq : public Stage {
 public:
  struct Options {
    Options();
    TuneOptions tune;
    TeqStart start = TeqStart::kOnes;
    void Fields(FieldVisitor& f);
  };
  explicit Teq(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kTransform; }
  StageNeeds Needs(const QuantOptions& quant) const override;
  std::int64_t UnitBlocks() const override { return options_.tune.unit_blocks; }
  std::vector<std::string> Series(const std::string& unit,
                                  const std::vector<std::string>& linears) const override;
  std::vector<const TuneOptions*> Tunings() const override { return {&options_.tune}; }
  bool AnyDevice() const override { return true; }
  GraphBytes KeptByGraph(const BlockPlan& /*block*/) const override { return {.a_weight = 3}; }
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
