#include "tests/rounding/block_replay.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/model/families/llama.h"
#include "tests/rounding/tuning.h"

namespace roundlab::testing {

BlockReplay::BlockReplay(const SafetensorsFile& file, BlockSteps how)
    : file_(file),
      how_(std::move(how)),
      inputs_(GoldenTensor(file, how_.prefix + "X")),
      targets_(GoldenTensor(file, how_.prefix + "Y")),
      schedule_(Schedules().FromText(how_.schedule).make()),
      loss_(Losses().FromText(how_.loss).make()) {
  loss_->SetCodes(how_.spec.bits, true);
  if (file.metadata().count("num_attention_heads") > 0) {
    BuildFromMetadata();
  } else {
    BuildByOutputs();
  }
  const std::vector<at::Tensor> squares = InputSquares();
  const auto scheme = RoundingSchemes().FromText(how_.scheme).make();
  ParamGroups groups;
  for (std::size_t i = 0; i < Names().size(); ++i) {
    const at::Tensor& weight = block_->Slot(i).weight;
    layers_.push_back(scheme->Begin(how_.layer ? how_.layer(weight, how_.spec, squares[i])
                                               : GoldenLayer(weight, how_.spec)));
    layers_.back()->Project(0);
    for (const auto& group : layers_.back()->Parameters()) groups.emplace_back(group.tensors);
  }
  optimizer_ = Optimizers().FromText(how_.optimizer).make(std::move(groups));
  base_lrs_ = LearningRates(*optimizer_);
}

std::vector<std::string> BlockReplay::Names() {
  const std::string prefix = "model.layers.0.";
  ModelDescription llama;
  UseLlamaPlans(&llama);
  std::vector<std::string> names = llama.LinearNames(0);
  for (std::string& name : names) name.erase(0, prefix.size());
  return names;
}

double BlockReplay::Backward(std::int64_t step) {
  optimizer_->zero_grad();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    block_->Slot(i).effective = layers_[i]->SoftWeight();
  }
  const at::Tensor rows = Rows(step);
  const at::Tensor y = block_->Forward(inputs_.index_select(0, rows), rope_);
  const at::Tensor loss = loss_->Of(y, targets_.index_select(0, rows));
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
  Reconstruction unit{"golden", block_->Linears(),
                      [this](const at::Tensor& x) { return block_->Forward(x, rope_); }};
  unit.bits = how_.spec.bits;
  unit.sym_full = true;
  TuneUnit(unit, {inputs_, targets_}, layers_, options, 0, hooks);
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

std::size_t BlockReplay::Place(const std::string& linear) {
  const std::vector<std::string> names = Names();
  const auto found = std::find(names.begin(), names.end(), linear);
  ROUNDLAB_CHECK(found != names.end(), "no layer " + linear);
  return static_cast<std::size_t>(found - names.begin());
}

at::Tensor BlockReplay::Rows(std::int64_t step) const {
  return how_.rows ? how_.rows(step) : RowsOfStep(file_, inputs_.size(0), step);
}

std::vector<at::Tensor> BlockReplay::InputSquares() {
  std::vector<at::Tensor> squares(Names().size());
  for (std::size_t i = 0; i < squares.size(); ++i) {
    block_->Slot(i).on_input = [&squares, i](const at::Tensor& x) {
      squares[i] = x.detach().reshape({-1, x.size(-1)}).square().sum(0);
    };
  }
  Outputs();
  for (std::size_t i = 0; i < squares.size(); ++i) block_->Slot(i).on_input = nullptr;
  return squares;
}

void BlockReplay::Build(const BlockShape& shape) {
  const ModelDescription d = Description(shape);
  block_ = std::make_unique<DecoderBlock>(d, 0);
  rope_ = MakeRopeTable(d, inputs_.size(1));
  block_->Norm(NormPlace::kBeforeAttention).weight = GoldenTensor(file_, how_.prefix + "norm1");
  block_->Norm(NormPlace::kBeforeMlp).weight = GoldenTensor(file_, how_.prefix + "norm2");
  for (std::size_t i = 0; i < Names().size(); ++i) {
    block_->Slot(i).weight = GoldenTensor(file_, how_.prefix + "W." + Names()[i]);
  }
}

void BlockReplay::BuildFromMetadata() {
  const auto number = [&](const char* key) { return MetadataNumber(file_, key); };
  Build({static_cast<std::int64_t>(number("num_attention_heads")),
         static_cast<std::int64_t>(number("num_key_value_heads")), number("rms_norm_eps"),
         number("rope_theta")});
}

void BlockReplay::BuildByOutputs() {
  const c10::NoGradGuard no_grad;
  const auto rows = [&](const char* linear) {
    return GoldenTensor(file_, how_.prefix + "W.self_attn." + linear).size(0);
  };
  const std::int64_t queries = rows("q_proj");
  const std::int64_t keys = rows("k_proj");
  BlockShape best;
  double least = std::numeric_limits<double>::infinity();
  const auto attempt = [&](const BlockShape& shape) {
    Build(shape);
    const double error = (Outputs() - targets_).square().sum(at::kDouble).item<double>();
    if (error >= least) return;
    least = error;
    best = shape;
  };
  for (std::int64_t head = 2; head <= keys; head += 2) {
    if (queries % head == 0 && keys % head == 0 && queries / head % (keys / head) == 0) {
      attempt({queries / head, keys / head});
    }
  }
  for (const double theta : {1e5, 5e5, 1e6}) {
    attempt({best.heads, best.kv_heads, best.norm_eps, theta});
  }
  attempt({best.heads, best.kv_heads, 1e-6, best.rope_theta});
  Build(best);
}

ModelDescription BlockReplay::Description(const BlockShape& shape) const {
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = "llama";
  d.hidden = inputs_.size(2);
  d.intermediate = GoldenTensor(file_, how_.prefix + "W.mlp.gate_proj").size(0);
  d.layers = 1;
  d.heads = shape.heads;
  d.kv_heads = shape.kv_heads;
  d.head_dim = GoldenTensor(file_, how_.prefix + "W.self_attn.q_proj").size(0) / shape.heads;
  d.norm_eps = shape.norm_eps;
  d.rope.theta = shape.rope_theta;
  d.windows = {0};
  return d;
}

}  // namespace roundlab::testing
