#include "rounding/tuner/tuner.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"

namespace roundlab {
namespace {

using Layers = std::vector<std::unique_ptr<LayerRounding>>;
using Snapshot = std::vector<at::Tensor>;

/// Rows of each step's batch, from one stream of random numbers.
class Sampler {
 public:
  Sampler(std::int64_t rows, const TuneOptions& options, std::uint64_t seed)
      : rows_(rows),
        batch_(std::min(options.batch, rows)),
        cyclic_(options.sampler == "cyclic"),
        generator_(at::detail::createCPUGenerator(seed)) {}

  at::Tensor Next() {
    if (!cyclic_) return Permutation().narrow(0, 0, batch_);
    if (!order_.defined() || at_ + batch_ > rows_) {
      order_ = Permutation();
      at_ = 0;
    }
    at_ += batch_;
    return order_.narrow(0, at_ - batch_, batch_);
  }

 private:
  at::Tensor Permutation() { return at::randperm(rows_, generator_, at::kLong); }

  std::int64_t rows_;
  std::int64_t batch_;
  bool cyclic_;
  at::Generator generator_;
  at::Tensor order_;
  std::int64_t at_ = 0;
};

/// One unit being tuned: parameters, optimizer, best state.
class Tuning {
 public:
  Tuning(const ReconstructionUnit& unit, const UnitData& data, const Layers& layers,
         const TuneOptions& options, std::uint64_t seed, const TunerHooks& hooks)
      : unit_(unit),
        data_(data),
        layers_(layers),
        options_(options),
        hooks_(hooks),
        sampler_(data.inputs.size(0), options, seed),
        schedule_(options.schedule.make()) {
    for (const auto& layer : layers_) {
      for (const ParameterGroup& group : layer->Parameters()) {
        parameters_.insert(parameters_.end(), group.tensors.begin(), group.tensors.end());
      }
    }
    if (!parameters_.empty()) MakeOptimizer();
  }

  void Run(UnitResult* result) {
    if (parameters_.empty() || options_.steps == 0) return;
    const Snapshot start = Copy();
    Snapshot good = start;
    for (std::int64_t step = 0; step < options_.steps; ++step) {
      const double loss = Step(step);
      if (!std::isfinite(loss)) {
        if (!Recover(step, loss, start, good, result)) return;
        continue;
      }
      if (options_.on_nan == "rollback" && step % 10 == 0) good = Copy();
      Consider(step, loss);
      Move(step);
      if (hooks_.on_step) hooks_.on_step();
    }
    if (options_.select == "best_full") ConsiderFull(options_.steps);
    if (options_.select == "last" || best_.empty()) return;
    Restore(best_);
    result->chosen_step = best_step_;
  }

 private:
  /// With no state yet: momentum, moments and votes start anew.
  void MakeOptimizer() {
    ParamGroups groups;
    std::vector<double> factors;
    for (const auto& layer : layers_) {
      for (const ParameterGroup& group : layer->Parameters()) {
        groups.emplace_back(group.tensors);
        factors.push_back(group.lr_factor);
      }
    }
    optimizer_ = options_.optimizer.make(std::move(groups));
    voter_ = dynamic_cast<MicroBatchVoter*>(optimizer_.get());
    if (voter_ != nullptr && !voter_->Votes()) voter_ = nullptr;
    base_lrs_ = LearningRates(*optimizer_);
    for (std::size_t i = 0; i < base_lrs_.size(); ++i) {
      if (options_.lr_times_steps > 0) {
        base_lrs_[i] = options_.lr_times_steps / static_cast<double>(options_.steps);
      }
      base_lrs_[i] *= factors[i];
    }
  }

  /// Forward and backward; the loss of the batch without its penalty's gradient lost.
  double Step(std::int64_t step) {
    if (options_.select == "best_full" && step % options_.check_every == 0) ConsiderFull(step);
    optimizer_->zero_grad();
    const at::Tensor rows = sampler_.Next();
    const double progress = static_cast<double>(step) / static_cast<double>(options_.steps);
    const auto parts = rows.chunk(options_.accumulate);
    double loss_sum = 0;
    double penalty_sum = 0;
    for (const at::Tensor& part : parts) {
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        unit_.slots[i]->effective = layers_[i]->SoftWeight();
      }
      const at::Tensor outputs = unit_.forward(data_.inputs.index_select(0, part));
      // Sums over micro-batches, not means of means: any split gives the whole batch's gradient.
      const double share = static_cast<double>(part.numel()) / static_cast<double>(rows.numel());
      at::Tensor loss =
          ReconstructionLoss(outputs, data_.targets.index_select(0, part), options_) * share;
      loss_sum += loss.item<double>();
      for (const auto& layer : layers_) {
        const at::Tensor penalty = layer->Penalty(progress);
        if (!penalty.defined()) continue;
        loss = loss + penalty * share;
        penalty_sum += penalty.item<double>() * share;
      }
      (loss * options_.loss_scale).backward();
      if (voter_ != nullptr) voter_->Vote();
    }
    Report("loss", step, loss_sum);
    if (penalty_sum != 0) Report("penalty", step, penalty_sum);
    return loss_sum + penalty_sum;
  }

  void Move(std::int64_t step) {
    const double factor = schedule_->Factor(step, options_.steps) * damping_;
    SetLearningRates(optimizer_.get(), base_lrs_, factor);
    Report("lr", step, base_lrs_.front() * factor);
    optimizer_->step();
    for (const auto& layer : layers_) layer->Project();
  }

  void Consider(std::int64_t step, double loss) {
    if (options_.select != "best_minibatch" || !(loss < best_loss_)) return;
    best_loss_ = loss;
    best_step_ = step;
    best_ = Copy();
  }

  void ConsiderFull(std::int64_t step) {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      unit_.slots[i]->effective = layers_[i]->Finish().Dequantize();
    }
    const double loss = FullLoss(unit_, data_, options_);
    Report("full_loss", step, loss);
    if (!(loss < best_loss_)) return;
    best_loss_ = loss;
    best_step_ = step;
    best_ = Copy();
  }

  /// What the policy says; false where tuning of this unit is over.
  bool Recover(std::int64_t step, double loss, const Snapshot& start, const Snapshot& good,
               UnitResult* result) {
    // A NaN's sign is the machine's, and to_string would print it.
    const std::string value = std::isnan(loss) ? "nan" : std::to_string(loss);
    const std::string what = unit_.name + ": loss " + value + " at step " + std::to_string(step);
    if (options_.on_nan == "stop" || rollbacks_ == kMostRollbacks) throw Diverged(what);
    if (options_.on_nan == "rtn") {
      Restore(start);
      best_.clear();
      result->events.push_back(what + ", unit left as it started");
      return false;
    }
    ++rollbacks_;
    damping_ /= 2;
    Restore(good);
    MakeOptimizer();
    result->events.push_back(what + ", rolled back, learning rate halved");
    return true;
  }

  Snapshot Copy() const {
    Snapshot copy;
    for (const at::Tensor& p : parameters_) copy.push_back(p.detach().clone());
    return copy;
  }
  void Restore(const Snapshot& snapshot) {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i].copy_(snapshot[i]);
  }
  void Report(const char* series, std::int64_t step, double value) {
    if (hooks_.sink == nullptr) return;
    hooks_.sink->Record("tune/" + unit_.name + "/" + series, step, value);
  }

  static constexpr int kMostRollbacks = 10;
  const ReconstructionUnit& unit_;
  const UnitData& data_;
  const Layers& layers_;
  const TuneOptions& options_;
  const TunerHooks& hooks_;
  Sampler sampler_;
  std::unique_ptr<Schedule> schedule_;
  std::vector<at::Tensor> parameters_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  MicroBatchVoter* voter_ = nullptr;
  std::vector<double> base_lrs_;
  double damping_ = 1;
  int rollbacks_ = 0;
  double best_loss_ = std::numeric_limits<double>::infinity();
  std::int64_t best_step_ = -1;
  Snapshot best_;
};

void Harden(const ReconstructionUnit& unit, const Layers& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    unit.slots[i]->effective = layers[i]->Finish().Dequantize();
  }
}

}  // namespace

double FullLoss(const ReconstructionUnit& unit, const UnitData& data, const TuneOptions& options,
                const at::Tensor& outputs) {
  const at::NoGradGuard no_grad;
  const std::int64_t rows = data.inputs.size(0);
  double sum = 0;
  for (std::int64_t first = 0; first < rows; first += options.batch) {
    const std::int64_t count = std::min(options.batch, rows - first);
    const at::Tensor y = unit.forward(data.inputs.narrow(0, first, count));
    sum += ReconstructionLoss(y, data.targets.narrow(0, first, count), options).item<double>() *
           static_cast<double>(count);
    if (outputs.defined()) outputs.narrow(0, first, count).copy_(y);
  }
  return sum / static_cast<double>(rows);
}

UnitResult TuneUnit(const ReconstructionUnit& unit, const UnitData& data,
                    const std::vector<std::unique_ptr<LayerRounding>>& layers,
                    const TuneOptions& options, std::uint64_t seed, const TunerHooks& hooks) {
  ROUNDLAB_CHECK(unit.slots.size() == layers.size(), "one layer state a slot");
  UnitResult result;
  Harden(unit, layers);
  result.loss_before = FullLoss(unit, data, options);
  Tuning(unit, data, layers, options, seed, hooks).Run(&result);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    result.weights.push_back(layers[i]->Finish());
    unit.slots[i]->effective = result.weights.back().Dequantize();
  }
  result.loss_after = FullLoss(unit, data, options, hooks.outputs);
  return result;
}

}  // namespace roundlab
