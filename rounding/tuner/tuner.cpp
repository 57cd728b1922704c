#include "rounding/tuner/tuner.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "rounding/tuner/best_state.h"
#include "rounding/tuner/sampler.h"
#include "rounding/tuner/sequence_sums.h"
#include "rounding/tuner/unit_loss.h"

namespace roundlab {
namespace {

using Snapshot = std::vector<at::Tensor>;

/// Steps whose losses are read together where they are on a GPU.
constexpr std::size_t kLookEvery = 16;

/// A step's loss as a float64 scalar on its device, not finite where the penalty is not; and that
/// penalty, or undefined.
struct StepLoss {
  std::int64_t step;
  at::Tensor loss;
  at::Tensor penalty;
};
struct BadLoss {
  std::int64_t step;
  double loss;
};

std::string LossText(const Reconstruction& unit, double loss) {
  // A NaN's sign is the machine's, and to_string would print it.
  return unit.name + ": loss " + (std::isnan(loss) ? "nan" : std::to_string(loss));
}

/// The weights chosen, installed, and what they lose over all rows; NaN where parameters that are
/// not finite have no codes.
double Harden(const Reconstruction& unit, const UnitData& data, Tuned* tuned,
              const TuneOptions& options, const HiddenStates& outputs) {
  try {
    tuned->Install(Hardness::kHard);
  } catch (const Diverged&) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return FullLoss(unit, data, options, outputs);
}

/// One unit being tuned: parameters, optimizer, best state.
class Tuning {
 public:
  Tuning(const Reconstruction& unit, const UnitData& data, Tuned* tuned, const TuneOptions& options,
         std::uint64_t seed, const TunerHooks& hooks)
      : unit_(unit),
        data_(data),
        tuned_(*tuned),
        options_(options),
        select_(options.select.value_or(Select::kBestMinibatch)),
        hooks_(hooks),
        sampler_(data.inputs.rows(), options, seed),
        schedule_(options.schedule.make()),
        loss_(LossOf(unit, options)) {
    for (const ParameterGroup& group : tuned_.Parameters()) {
      changing_.insert(changing_.end(), group.tensors.begin(), group.tensors.end());
    }
    if (changing_.empty()) {
      best_.emplace(changing_);
      return;
    }
    const std::vector<at::Tensor> state = tuned_.State();
    changing_.insert(changing_.end(), state.begin(), state.end());
    best_.emplace(changing_);
    MakeOptimizer();
    looks_each_step_ = changing_.front().is_cpu() || options_.on_nan != NanPolicy::kStop;
  }

  void Run(UnitResult* result) {
    if (changing_.empty() || options_.steps == 0) return;
    start_ = Copy();
    good_ = start_;
    Project(0);
    Draw(0);
    for (std::int64_t step = 0; step < options_.steps; ++step) {
      Step(step);
      if (const auto bad = Look(step + 1 == options_.steps)) {
        if (!Recover(*bad, result)) return;
        continue;
      }
      if (options_.on_nan == NanPolicy::kRollback && step % 10 == 0) good_ = Copy();
      Move(step);
      if (hooks_.on_step) hooks_.on_step();
    }
    if (select_ == Select::kBestFull) ConsiderFull(options_.steps);
    if (select_ == Select::kLast || best_->Step() < 0) return;
    best_->Restore();
    result->chosen_step = best_->Step();
  }

  /// Back to the last state known as good, after the one that was chosen turned out not to be.
  void Retreat() {
    if (good_.empty()) return;
    Restore(options_.on_nan == NanPolicy::kRollback ? good_ : start_);
  }

  /// What the state before the first step was.
  void BackToStart() { Restore(start_); }

 private:
  /// With no state yet: momentum, moments and votes start anew.
  void MakeOptimizer() {
    ParamGroups groups;
    std::vector<double> factors;
    for (const ParameterGroup& group : tuned_.Parameters()) {
      groups.emplace_back(group.tensors);
      factors.push_back(group.lr_factor);
    }
    optimizer_ = options_.optimizer.make(std::move(groups));
    voter_ = VoterOf(optimizer_.get());
    by_sequence_ = SumsBySequence();
    stepper_ = dynamic_cast<BackwardStepper*>(&tuned_);
    if (stepper_ != nullptr && !(options_.MayStepInBackward() && stepper_->StepsInBackward())) {
      stepper_ = nullptr;
    }
    base_lrs_ = LearningRates(*optimizer_);
    for (std::size_t i = 0; i < base_lrs_.size(); ++i) {
      if (options_.lr_times_steps > 0) {
        const bool doubled = options_.lr_doubled_from > 0 && unit_.bits <= 3 &&
                             options_.steps >= options_.lr_doubled_from;
        base_lrs_[i] =
            (doubled ? 2 : 1) * options_.lr_times_steps / static_cast<double>(options_.steps);
      }
      base_lrs_[i] *= factors[i];
    }
  }

  /// Whether sequences are summed one by one. A vote and a trimmed loss look at parts as they are.
  bool SumsBySequence() const {
    const bool can = tuned_.SoftWeightsAreAll() && voter_ == nullptr && loss_->IsMeanOfRows();
    if (!can && options_.sums == Sums::kSequence) {
      throw Error(unit_.name +
                  ": sums: sequence is for soft weights, with a loss that is the mean "
                  "of its rows' and without a vote");
    }
    const HiddenStates& inputs = data_.inputs;
    return can && options_.SumsBySequence(inputs.dtype(), inputs.device());
  }

  /// Forward and backward. The state is considered in between: the backward pass may move it.
  void Step(std::int64_t step) {
    if (select_ == Select::kBestFull && step % options_.check_every == 0) ConsiderFull(step);
    optimizer_->zero_grad();
    SetLearningRates(optimizer_.get(), base_lrs_, LrFactor(step));
    if (stepper_ != nullptr) stepper_->PlanSteps(LearningRates(*optimizer_));
    const double progress = static_cast<double>(step) / static_cast<double>(options_.steps);
    tuned_.Install(Hardness::kSoft);  // once a step: parts of a batch share the weights' graph
    const at::Tensor penalty = tuned_.Penalty(progress);
    const at::Tensor rows = rows_;
    const std::vector<at::Tensor> parts = Parts(rows);
    std::optional<SequenceSums> sums;
    if (by_sequence_) sums.emplace(unit_.slots);
    at::Tensor value;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool more = i + 1 < parts.size();
      const BatchRows batch = coming_.Get();
      if (more) coming_ = ComingBatch(data_, parts[i + 1]);
      if (!more && step + 1 < options_.steps) Draw(step + 1);
      // Sums over micro-batches, not means of means: any split gives the whole batch's gradient.
      LossShare loss = ShareOfLoss(unit_, *loss_, unit_.forward(batch.inputs), batch, rows.numel(),
                                   by_sequence_);
      for (const at::Tensor& of_rows : loss.values)
        value = value.defined() ? value + of_rows : of_rows;
      if (penalty.defined() && !by_sequence_) {
        const double share =
            static_cast<double>(parts[i].numel()) / static_cast<double>(rows.numel());
        loss.sum = loss.sum + penalty * share;
      }
      if (!more) Consider({step, value, penalty.defined() ? penalty.detach() : penalty});
      (loss.sum * options_.loss_scale).backward({}, more && !by_sequence_);
      if (voter_ != nullptr) voter_->Vote();
    }
    if (by_sequence_) sums->Backward(penalty.defined() ? penalty * options_.loss_scale : penalty);
  }

  /// Decides on the rows of a step, the first of which are on their way from here on.
  void Draw(std::int64_t step) {
    rows_ = hooks_.rows ? hooks_.rows(step) : sampler_.Next();
    coming_ = ComingBatch(data_, Parts(rows_).front());
  }

  /// Micro-batches: as many as asked for, unless there are fewer rows.
  std::vector<at::Tensor> Parts(const at::Tensor& rows) const {
    return rows.tensor_split(std::min(options_.accumulate, rows.size(0)));
  }

  void Consider(StepLoss now) {
    if (now.penalty.defined()) {
      now.loss = at::where(now.penalty.isfinite(), now.loss, now.penalty.to(at::kDouble));
    }
    if (select_ == Select::kBestMinibatch) best_->Consider(now.step, now.loss);
    unseen_.push_back(std::move(now));
  }

  /// Reads and reports the losses since the last look, when it is time to; answers the first that
  /// is not finite.
  std::optional<BadLoss> Look(bool last) {
    if (!looks_each_step_ && !last && unseen_.size() < kLookEvery) return std::nullopt;
    std::optional<BadLoss> bad;
    for (const StepLoss& seen : unseen_) {
      const double loss = seen.loss.item<double>();
      const double penalty = seen.penalty.defined() ? seen.penalty.item<double>() : 0;
      Report("loss", seen.step, loss);
      if (penalty != 0) Report("penalty", seen.step, penalty);
      // Gradients are of the scaled loss: where that is beyond float32, so are they.
      const float scaled = static_cast<float>(loss) * static_cast<float>(options_.loss_scale);
      if (!bad && !std::isfinite(scaled)) bad = BadLoss{seen.step, loss};
    }
    unseen_.clear();
    return bad;
  }

  double LrFactor(std::int64_t step) const {
    return schedule_->Factor(step, options_.steps) * damping_;
  }

  void Move(std::int64_t step) {
    Report("lr", step, base_lrs_.front() * LrFactor(step));
    if (stepper_ == nullptr) optimizer_->step();
    Project(step + 1);
  }

  void Project(std::int64_t steps_taken) {
    const double progress = static_cast<double>(steps_taken) / static_cast<double>(options_.steps);
    if (tuned_.Project(progress)) MakeOptimizer();
  }

  void ConsiderFull(std::int64_t step) {
    const double loss = Harden(unit_, data_, &tuned_, options_, {});
    Report("full_loss", step, loss);
    best_->Consider(
        step,
        at::full({}, loss, changing_.front().options().dtype(at::kDouble).requires_grad(false)));
  }

  /// What the policy says; false where tuning of this unit is over.
  bool Recover(const BadLoss& bad, UnitResult* result) {
    const char* how = std::isfinite(bad.loss) ? " times loss_scale is beyond float32" : "";
    const std::string what =
        LossText(unit_, bad.loss) + how + " at step " + std::to_string(bad.step);
    if (options_.on_nan == NanPolicy::kStop || rollbacks_ == kMostRollbacks) throw Diverged(what);
    if (options_.on_nan == NanPolicy::kRtn) {
      Restore(start_);
      best_->Forget();
      result->events.push_back(what + ", unit left as it started");
      return false;
    }
    ++rollbacks_;
    damping_ /= 2;
    Restore(good_);
    MakeOptimizer();
    result->events.push_back(what + ", rolled back, learning rate halved");
    return true;
  }

  Snapshot Copy() const {
    Snapshot copy;
    for (const at::Tensor& t : changing_) copy.push_back(t.detach().clone());
    return copy;
  }
  void Restore(const Snapshot& snapshot) {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < changing_.size(); ++i) changing_[i].copy_(snapshot[i]);
  }
  void Report(const char* series, std::int64_t step, double value) {
    if (hooks_.sink == nullptr) return;
    hooks_.sink->Record("tune/" + unit_.name + "/" + series, step, value);
  }

  static constexpr int kMostRollbacks = 10;
  const Reconstruction& unit_;
  const UnitData& data_;
  Tuned& tuned_;
  const TuneOptions& options_;
  const Select select_;
  const TunerHooks& hooks_;
  Sampler sampler_;
  at::Tensor rows_;  // of the next step
  ComingBatch coming_;
  std::unique_ptr<Schedule> schedule_;
  std::unique_ptr<Loss> loss_;
  std::vector<at::Tensor> changing_;  // all that a snapshot is made of
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  MicroBatchVoter* voter_ = nullptr;
  bool by_sequence_ = false;
  BackwardStepper* stepper_ = nullptr;  // where the backward pass takes the steps
  std::vector<double> base_lrs_;
  double damping_ = 1;
  int rollbacks_ = 0;
  Snapshot start_;
  Snapshot good_;
  std::optional<BestState> best_;
  bool looks_each_step_ = true;
  std::vector<StepLoss> unseen_;
};

/// Lets the layers of a unit have their gradients at a precision for as long as it lives.
class GradientsAt {
 public:
  GradientsAt(const std::vector<LinearSlot*>& slots, GradientPrecision precision) : slots_(slots) {
    for (LinearSlot* slot : slots_) slot->tuning.gradient = precision;
  }
  ~GradientsAt() {
    for (LinearSlot* slot : slots_) slot->tuning = {};
  }
  GradientsAt(const GradientsAt&) = delete;
  GradientsAt& operator=(const GradientsAt&) = delete;

 private:
  const std::vector<LinearSlot*>& slots_;
};

}  // namespace

UnitResult TuneUnit(const Reconstruction& unit, const UnitData& data, Tuned* tuned,
                    const TuneOptions& options, std::uint64_t seed, const TunerHooks& hooks) {
  UnitResult result;
  result.loss_before = Harden(unit, data, tuned, options, {});
  if (!std::isfinite(result.loss_before)) {
    throw Diverged(LossText(unit, result.loss_before) + " before tuning");
  }
  const GradientsAt precision(unit.slots, options.gradient_precision);
  Tuning tuning(unit, data, tuned, options, seed, hooks);
  tuning.Run(&result);
  // Outputs that overwrite the inputs wait where this state could still be left for another.
  const bool wait = hooks.outputs.SharesMemory(data.inputs) && options.MayGoBack();
  const auto settle = [&](bool outputs) {
    result.loss_after =
        Harden(unit, data, tuned, options, outputs ? hooks.outputs : HiddenStates());
  };
  settle(!wait);
  if (!std::isfinite(result.loss_after)) {
    const std::string what = LossText(unit, result.loss_after) + " after tuning";
    if (options.on_nan == NanPolicy::kStop) throw Diverged(what);
    tuning.Retreat();
    result.chosen_step = -1;
    result.events.push_back(what + ", unit left as it was when last known as good");
    settle(!wait);
    if (!std::isfinite(result.loss_after)) throw Diverged(what);
  }
  if (options.never_worse && result.loss_after > result.loss_before) {
    result.loss_refused = result.loss_after;
    result.chosen_step = 0;
    tuning.BackToStart();
    settle(!wait);
  }
  if (wait) settle(true);
  return result;
}

UnitResult TuneUnit(const Reconstruction& unit, const UnitData& data,
                    const std::vector<std::unique_ptr<LayerRounding>>& layers,
                    const TuneOptions& options, std::uint64_t seed, const TunerHooks& hooks) {
  RoundedLayers rounded(unit.slots, layers);
  UnitResult result = TuneUnit(unit, data, &rounded, options, seed, hooks);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LinearSlot& slot = *unit.slots[i];
    result.weights.push_back(FinishedWeight(*layers[i], slot.name, slot.weight));
  }
  return result;
}

}  // namespace roundlab
