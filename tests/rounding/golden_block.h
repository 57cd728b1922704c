#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/model/block.h"
#include "core/model/families/llama.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "rounding/scheme.h"
#include "tests/rounding/tuning.h"
#include "tests/support/golden_tensors.h"

namespace roundlab::testing {

/// A model's entries in signround_golden.safetensors.
struct SignRoundGolden {
  std::string model;  ///< "babyllama-tok105.L2"
  double norm_eps;
};

/// Name within a block of its i-th linear layer.
inline std::string LinearName(std::size_t i) {
  const std::string prefix = "model.layers.0.";
  ModelDescription llama;
  UseLlamaPlans(&llama);
  return llama.LinearNames(0).at(i).substr(prefix.size());
}

/// The trajectory of that file, walked by our own block, SignRound layers and sign_sgd.
class SignRoundReplay {
 public:
  static constexpr std::int64_t kSteps = 20;

  SignRoundReplay(const SafetensorsFile& file, const SignRoundGolden& golden, ScaleType scale_dtype)
      : block_(Description(file, golden), 0),
        rope_(MakeRopeTable({}, 16, 16)),
        schedule_(Schedules().FromText("type: linear").make()) {
    const std::string prefix = golden.model + ".fp32scale.";
    inputs_ = GoldenTensor(file, prefix + "X");
    targets_ = GoldenTensor(file, prefix + "Y");
    block_.Norm(NormPlace::kBeforeAttention).weight = GoldenTensor(file, prefix + "norm1");
    block_.Norm(NormPlace::kBeforeMlp).weight = GoldenTensor(file, prefix + "norm2");
    ReadRows(file.metadata().at("idx"));
    const auto scheme = RoundingSchemes().FromText("type: signround").make();
    ParamGroups groups;
    for (std::size_t i = 0; i < block_.Linears().size(); ++i) {
      LinearSlot& slot = block_.Slot(i);
      slot.weight = GoldenTensor(file, prefix + "W." + LinearName(i));
      LayerContext context{
          slot.name, slot.weight, {4, 32, GridKind::kAsym, scale_dtype, false}, {}, 0};
      context.range = MinMaxRange(context.Layout().Split(slot.weight));
      layers_.push_back(scheme->Begin(context));
      for (const auto& group : layers_.back()->Parameters()) groups.emplace_back(group.tensors);
    }
    optimizer_ = Optimizers().FromText("type: sign_sgd\nlr: 0.05").make(std::move(groups));
    base_lrs_ = LearningRates(*optimizer_);
  }

  /// The block's outputs: the file's, and ours with original weights.
  at::Tensor Targets() const { return targets_; }
  at::Tensor Outputs() const { return block_.Forward(inputs_, rope_); }

  /// Loss of step `step`, its gradients left in the parameters.
  double Backward(std::int64_t step) {
    optimizer_->zero_grad();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      block_.Slot(i).effective = layers_[i]->SoftWeight();
    }
    const at::Tensor rows = rows_[step];
    const at::Tensor outputs = block_.Forward(inputs_.index_select(0, rows), rope_);
    const at::Tensor loss = at::mse_loss(outputs, targets_.index_select(0, rows));
    (loss * 1000).backward();
    return loss.item<double>();
  }
  void Move(std::int64_t step) {
    SetLearningRates(optimizer_.get(), base_lrs_, schedule_->Factor(step, kSteps));
    optimizer_->step();
    for (const auto& layer : layers_) {
      layer->Project(static_cast<double>(step + 1) / static_cast<double>(kSteps));
    }
  }
  /// The same path by the tuner itself, with the file's rows; `after` looks at the state after each
  /// step. Answers the losses.
  std::vector<double> Tune(const std::function<void(std::int64_t step)>& after) {
    TuneOptions options;
    options.optimizer = Optimizers().FromText("type: sign_sgd\nlr: 0.05");
    options.steps = kSteps;
    options.batch = rows_.size(1);
    Recorder recorder;
    TunerHooks hooks;
    hooks.sink = &recorder;
    hooks.rows = [this](std::int64_t step) { return rows_[step]; };
    std::int64_t step = 0;
    hooks.on_step = [&] { after(step++); };
    const ReconstructionUnit unit{"golden", block_.Linears(),
                                  [this](const at::Tensor& x) { return block_.Forward(x, rope_); }};
    TuneUnit(unit, {inputs_, targets_}, layers_, options, 0, hooks);
    return recorder.values.at("tune/golden/loss");
  }
  double LearningRate() const { return LearningRates(*optimizer_).front(); }

  LayerRounding& Layer(std::size_t i) { return *layers_[i]; }
  at::Tensor Weight(std::size_t i) { return block_.Slot(i).weight; }
  at::Tensor Offset(std::size_t i) { return layers_.at(i)->Parameters()[0].tensors[0]; }
  at::Tensor Low(std::size_t i) { return layers_.at(i)->Parameters()[1].tensors[0]; }
  at::Tensor High(std::size_t i) { return layers_.at(i)->Parameters()[1].tensors[1]; }

 private:
  static ModelDescription Description(const SafetensorsFile& file, const SignRoundGolden& golden) {
    ModelDescription d;
    UseLlamaPlans(&d);
    d.family = "llama";
    d.hidden = 128;
    d.intermediate = file.Find(golden.model + ".fp32scale.W.mlp.gate_proj")->shape[0];
    d.layers = 1;
    d.heads = 8;
    d.kv_heads = 4;
    d.head_dim = 16;
    d.norm_eps = golden.norm_eps;
    d.windows = {0};
    return d;
  }
  /// "[[0, 1, 2, 3], ...": four rows a step.
  void ReadRows(std::string text) {
    for (char& c : text) c = c >= '0' && c <= '9' ? c : ' ';
    std::istringstream numbers(text);
    rows_ = at::empty({kSteps, 4}, at::kLong);
    auto* row = rows_.mutable_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < rows_.numel(); ++i) numbers >> row[i];
    ROUNDLAB_CHECK(static_cast<bool>(numbers), "golden file has 80 row numbers");
  }

  DecoderBlock block_;
  RopeTable rope_;
  std::unique_ptr<Schedule> schedule_;
  at::Tensor inputs_;
  at::Tensor targets_;
  at::Tensor rows_;
  std::vector<std::unique_ptr<LayerRounding>> layers_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<double> base_lrs_;
};

}  // namespace roundlab::testing
