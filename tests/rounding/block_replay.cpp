#include "tests/rounding/block_replay.h"

#include <utility>

#include "tests/rounding/tuning.h"

namespace roundlab::testing {

BlockReplay::BlockReplay(const SafetensorsFile& file, BlockSteps how)
    : file_(file),
      how_(std::move(how)),
      block_(file, how_.prefix),
      inputs_(OtherLastBits(block_.Inputs(), how_.noise)),
      schedule_(Schedules().FromText(how_.schedule).make()),
      loss_(Losses().FromText(how_.loss).make()) {
  loss_->SetCodes({.bits = how_.spec.bits, .sym_full = true});
  const std::vector<at::Tensor> squares = InputSquares();
  const auto scheme = RoundingSchemes().FromText(how_.scheme).make();
  ParamGroups groups;
  for (std::size_t i = 0; i < Names().size(); ++i) {
    const at::Tensor& weight = block_.Block().Slot(i).weight;
    layers_.push_back(scheme->Begin(how_.layer ? how_.layer(weight, how_.spec, squares[i])
                                               : GoldenLayer(weight, how_.spec)));
    layers_.back()->Project(0);
    for (const auto& group : layers_.back()->Parameters()) groups.emplace_back(group.tensors);
  }
  optimizer_ = Optimizers().FromText(how_.optimizer).make(std::move(groups));
  base_lrs_ = LearningRates(*optimizer_);
}

double BlockReplay::Backward(std::int64_t step) {
  optimizer_->zero_grad();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    block_.Block().Slot(i).effective = layers_[i]->SoftWeight();
  }
  const at::Tensor rows = Rows(step);
  const at::Tensor y = block_.Forward(inputs_.index_select(0, rows));
  const at::Tensor loss = loss_->Of(y, Targets().index_select(0, rows));
  (loss * how_.loss_scale).backward();
  return loss.item<double>();
}

void BlockReplay::Move(std::int64_t step) {
  SetLearningRates(optimizer_.get(), base_lrs_, schedule_->Factor(step, how_.steps));
  optimizer_->step();
  const double progress = static_cast<double>(step + 1) / static_cast<double>(how_.steps);
  for (const auto& layer : layers_) layer->Project(progress);
}

std::vector<double> BlockReplay::Tune(const std::function<void(std::int64_t step)>& after) {
  TuneOptions options;
  options.optimizer = Optimizers().FromText(how_.optimizer);
  options.schedule = Schedules().FromText(how_.schedule);
  options.loss = Losses().FromText(how_.loss);
  options.steps = how_.steps;
  options.batch = Rows(0).size(0);
  options.never_worse = false;  // as the originals
  Recorder recorder;
  TunerHooks hooks;
  hooks.sink = &recorder;
  hooks.rows = [this](std::int64_t step) { return Rows(step); };
  std::int64_t step = 0;
  hooks.on_step = [&] { after(step++); };
  Reconstruction unit{"golden", block_.Block().Linears(),
                      [this](const at::Tensor& x) { return block_.Forward(x); }};
  unit.bits = how_.spec.bits;
  unit.sym_full = true;
  TuneUnit(unit, {inputs_, Targets()}, layers_, options, 0, hooks);
  return recorder.values.at("tune/golden/loss");
}

at::Tensor BlockReplay::Parameter(const std::string& linear, const std::string& group,
                                  std::size_t i) {
  for (const ParameterGroup& g : Layer(linear).Parameters()) {
    if (g.name == group) return g.tensors.at(i);
  }
  ROUNDLAB_CHECK(false, "no group " + group);
  return {};
}

at::Tensor BlockReplay::Rows(std::int64_t step) const {
  return how_.rows ? how_.rows(step) : RowsOfStep(file_, inputs_.size(0), step);
}

std::vector<at::Tensor> BlockReplay::InputSquares() {
  std::vector<at::Tensor> squares(Names().size());
  for (std::size_t i = 0; i < squares.size(); ++i) {
    block_.Block().Slot(i).on_input = [&squares, i](const at::Tensor& x) {
      squares[i] = x.detach().reshape({-1, x.size(-1)}).square().sum(0);
    };
  }
  Outputs();
  for (std::size_t i = 0; i < squares.size(); ++i) block_.Block().Slot(i).on_input = nullptr;
  return squares;
}

}  // namespace roundlab::testing
