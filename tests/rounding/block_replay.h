#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/rounding/golden_block.h"
#include "tests/rounding/golden_cases.h"
#include "tests/rounding/noisy_twins.h"

namespace roundlab::testing {

/// What a trajectory on a decoder block is walked with.
struct BlockSteps {
  std::string prefix = {};  ///< of the file's X, Y, W.<linear>, norm1 and norm2: "" or "traj."
  std::string scheme;
  QuantSpec spec = {};
  std::string optimizer;
  std::string schedule = "type: constant";
  std::string loss = "type: mse";
  double loss_scale = 1;
  std::int64_t steps = 0;
  /// Makes what a scheme knows of a layer from its weight, `spec`, and [in] the sum of its inputs'
  /// squares over all samples in the unquantized block; GoldenLayer where empty.
  std::function<LayerContext(const at::Tensor&, const QuantSpec&, const at::Tensor&)> layer = {};
  std::function<at::Tensor(std::int64_t step)> rows = {};  ///< int64; RowsOfStep where empty
  std::uint64_t noise = 0;  ///< seed of other last bits of the inputs that are tuned on
};

/// A golden file's block, whose layers are tuned along the file's batches by our own block,
/// optimizer, schedule and loss.
class BlockReplay {
 public:
  BlockReplay(const SafetensorsFile& file, BlockSteps how);

  /// Of the linear layers within a block: "self_attn.q_proj", ...
  static std::vector<std::string> Names() { return GoldenBlock::Names(); }

  at::Tensor Targets() const { return block_.Targets(); }
  /// Of the original weights.
  at::Tensor Outputs() const { return block_.Outputs(); }

  /// Loss of step `step`, its gradients left in the parameters.
  double Backward(std::int64_t step);
  void Move(std::int64_t step);
  double LearningRate() const { return LearningRates(*optimizer_).front(); }

  /// The same path by the tuner itself; `after` looks at the state after each step. Answers the
  /// losses.
  std::vector<double> Tune(const std::function<void(std::int64_t step)>& after);

  LayerRounding& Layer(const std::string& linear) { return *layers_[GoldenBlock::Place(linear)]; }
  at::Tensor Weight(const std::string& linear) {
    return block_.Block().Slot(GoldenBlock::Place(linear)).weight;
  }
  /// Tensor i of a parameter group of a layer.
  at::Tensor Parameter(const std::string& linear, const std::string& group, std::size_t i);

 private:
  at::Tensor Rows(std::int64_t step) const;
  std::vector<at::Tensor> InputSquares();

  const SafetensorsFile& file_;
  BlockSteps how_;
  GoldenBlock block_;
  at::Tensor inputs_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<Loss> loss_;
  std::vector<std::unique_ptr<LayerRounding>> layers_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<double> base_lrs_;
};

}  // namespace roundlab::testing
