#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/model/block.h"
#include "core/model/families/llama.h"
#include "tests/rounding/golden_cases.h"

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
};

/// A golden file's block, built from its tensors and metadata, whose layers are tuned along the
/// file's batches by our own block, optimizer, schedule and loss.
class BlockReplay {
 public:
  BlockReplay(const SafetensorsFile& file, BlockSteps how)
      : file_(file),
        how_(std::move(how)),
        inputs_(GoldenTensor(file, how_.prefix + "X")),
        targets_(GoldenTensor(file, how_.prefix + "Y")),
        block_(Description(), 0),
        rope_(MakeRopeTable(Rope(), HeadDim(), inputs_.size(1))),
        schedule_(Schedules().FromText(how_.schedule).make()),
        loss_(Losses().FromText(how_.loss).make()) {
    block_.Norm(NormPlace::kBeforeAttention).weight = GoldenTensor(file, how_.prefix + "norm1");
    block_.Norm(NormPlace::kBeforeMlp).weight = GoldenTensor(file, how_.prefix + "norm2");
    for (std::size_t i = 0; i < Names().size(); ++i) {
      block_.Slot(i).weight = GoldenTensor(file, how_.prefix + "W." + Names()[i]);
    }
    const std::vector<at::Tensor> squares = InputSquares();
    const auto scheme = RoundingSchemes().FromText(how_.scheme).make();
    ParamGroups groups;
    for (std::size_t i = 0; i < Names().size(); ++i) {
      const at::Tensor& weight = block_.Slot(i).weight;
      layers_.push_back(scheme->Begin(how_.layer ? how_.layer(weight, how_.spec, squares[i])
                                                 : GoldenLayer(weight, how_.spec)));
      layers_.back()->Project(0);
      for (const auto& group : layers_.back()->Parameters()) groups.emplace_back(group.tensors);
    }
    optimizer_ = Optimizers().FromText(how_.optimizer).make(std::move(groups));
    base_lrs_ = LearningRates(*optimizer_);
  }

  /// Of the linear layers within a block: "self_attn.q_proj", ...
  static std::vector<std::string> Names() {
    const std::string prefix = "model.layers.0.";
    ModelDescription llama;
    UseLlamaPlans(&llama);
    std::vector<std::string> names = llama.LinearNames(0);
    for (std::string& name : names) name.erase(0, prefix.size());
    return names;
  }

  at::Tensor Targets() const { return targets_; }
  /// Of the original weights.
  at::Tensor Outputs() const { return block_.Forward(inputs_, rope_); }

  /// Loss of step `step`, its gradients left in the parameters.
  double Backward(std::int64_t step) {
    optimizer_->zero_grad();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      block_.Slot(i).effective = layers_[i]->SoftWeight();
    }
    const at::Tensor rows = RowsOfStep(file_, inputs_.size(0), step);
    const at::Tensor y = block_.Forward(inputs_.index_select(0, rows), rope_);
    const at::Tensor loss = loss_->Of(y, targets_.index_select(0, rows));
    (loss * how_.loss_scale).backward();
    return loss.item<double>();
  }
  void Move(std::int64_t step) {
    SetLearningRates(optimizer_.get(), base_lrs_, schedule_->Factor(step, how_.steps));
    optimizer_->step();
    const double progress = static_cast<double>(step + 1) / static_cast<double>(how_.steps);
    for (const auto& layer : layers_) layer->Project(progress);
  }

  LayerRounding& Layer(const std::string& linear) {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (Names()[i] == linear) return *layers_[i];
    }
    ROUNDLAB_CHECK(false, "no layer " + linear);
    return *layers_[0];
  }
  /// Tensor i of a parameter group of a layer.
  at::Tensor Parameter(const std::string& linear, const std::string& group, std::size_t i) {
    for (const ParameterGroup& g : Layer(linear).Parameters()) {
      if (g.name == group) return g.tensors.at(i);
    }
    ROUNDLAB_CHECK(false, "no group " + group);
    return {};
  }

 private:
  std::vector<at::Tensor> InputSquares() {
    std::vector<at::Tensor> squares(Names().size());
    for (std::size_t i = 0; i < squares.size(); ++i) {
      block_.Slot(i).on_input = [&squares, i](const at::Tensor& x) {
        squares[i] = x.detach().reshape({-1, x.size(-1)}).square().sum(0);
      };
    }
    Outputs();
    for (std::size_t i = 0; i < squares.size(); ++i) block_.Slot(i).on_input = nullptr;
    return squares;
  }
  std::int64_t HeadDim() const {
    return GoldenTensor(file_, how_.prefix + "W.self_attn.q_proj").size(0) /
           static_cast<std::int64_t>(MetadataNumber(file_, "num_attention_heads"));
  }
  RopeDescription Rope() const {
    RopeDescription rope;
    rope.theta = MetadataNumber(file_, "rope_theta");
    return rope;
  }
  ModelDescription Description() const {
    ModelDescription d;
    UseLlamaPlans(&d);
    d.family = "llama";
    d.hidden = inputs_.size(2);
    d.intermediate = GoldenTensor(file_, how_.prefix + "W.mlp.gate_proj").size(0);
    d.layers = 1;
    d.heads = static_cast<std::int64_t>(MetadataNumber(file_, "num_attention_heads"));
    d.kv_heads = static_cast<std::int64_t>(MetadataNumber(file_, "num_key_value_heads"));
    d.head_dim = HeadDim();
    d.norm_eps = MetadataNumber(file_, "rms_norm_eps");
    d.rope = Rope();
    d.windows = {0};
    return d;
  }

  const SafetensorsFile& file_;
  BlockSteps how_;
  at::Tensor inputs_;
  at::Tensor targets_;
  DecoderBlock block_;
  RopeTable rope_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<Loss> loss_;
  std::vector<std::unique_ptr<LayerRounding>> layers_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<double> base_lrs_;
};

}  // namespace roundlab::testing
