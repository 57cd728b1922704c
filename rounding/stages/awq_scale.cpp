#include "rounding/stages/awq_scale.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/kernels/linear.h"
#include "rounding/solvers/awq.h"
#include "rounding/stages/scale_groups.h"
#include "rounding/statistics.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

// Sequences a forward pass takes; divides the laps of the race.
constexpr std::int64_t kPortionRows = 4;

/// Calibration sequences in an order in which the first few lie far from one another: neighbours
/// may be of one text.
class Sequences {
 public:
  explicit Sequences(HiddenStates rows) : rows_(std::move(rows)) {
    auto step = static_cast<std::int64_t>(0.618 * static_cast<double>(Count()));
    while (std::gcd(step, Count()) != 1) ++step;
    order_ = at::arange(Count(), at::kLong).mul(step).remainder(Count());
  }
  const HiddenStates& rows() const { return rows_; }
  std::int64_t Count() const { return rows_.rows(); }
  std::int64_t Tokens() const { return Count() * rows_.values().size(1); }
  std::int64_t PortionSize(std::int64_t first) const {
    return std::min(kPortionRows, Count() - first);
  }
  at::Tensor Portion(std::int64_t first) const { return PortionOf(rows_, first); }
  /// The same of what `inputs` has of all rows.
  at::Tensor PortionOf(const HiddenStates& inputs, std::int64_t first) const {
    return inputs.Select(order_.narrow(0, first, PortionSize(first)));
  }

 private:
  HiddenStates rows_;
  at::Tensor order_;  // int64 [Count()]
};

/// What a block's linears are fed while nothing is changed, by one pass over the sequences.
struct Observed {
  std::map<const LinearSlot*, InputStatistics> statistics;  // of each group's input
  std::map<const LinearSlot*, HiddenStates> inputs;         // [sequences, seq, in], with the chain
};

/// Whether a group's own outputs are compared: its input's second moment tells their loss.
bool Alone(const ScaleGroup& group) { return group.watched == group.slots; }

/// Whether the MLP alone leads from the group's input to what is watched.
bool InMlp(const ScaleGroup& group) {
  return !Alone(group) &&
         std::none_of(group.slots.begin(), group.slots.end(), [](const LinearSlot* slot) {
           return ReadsAttention(slot->role) || slot->signs.defined();
         });
}

Observed Observe(UnitWork* work, const std::vector<ScaleGroup>& groups,
                 const Sequences& sequences) {
  std::map<const LinearSlot*, InputAccumulator> sums;
  Observed observed;
  std::vector<LinearSlot*> slots;
  for (const ScaleGroup& group : groups) {
    StatisticsKinds kinds;
    kinds.absolute_mean = true;
    kinds.second_moment = Alone(group);
    sums.emplace(group.slots[0], InputAccumulator(kinds, sequences.Tokens()));
    slots.push_back(group.slots[0]);
    if (Alone(group)) continue;
    for (LinearSlot* slot : group.watched) observed.inputs[slot];
    if (InMlp(group)) observed.inputs[group.slots[0]];
    slots.insert(slots.end(), group.watched.begin(), group.watched.end());
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  const auto see = [&](std::size_t i, const at::Tensor& x, std::int64_t first) {
    const auto sum = sums.find(slots[i]);
    if (sum != sums.end()) sum->second.Add(x);
    const auto inputs = observed.inputs.find(slots[i]);
    if (inputs == observed.inputs.end()) return;
    HiddenStates& kept = inputs->second;
    if (!kept.defined()) {
      const HiddenStates& rows = sequences.rows();
      kept = HiddenStates(rows.store(), {rows.rows(), x.size(1), x.size(2)}, x.scalar_type());
    }
    kept.Write(first, x);
  };
  if (sequences.Count() == work->Inputs(Chain::kOriginal).rows()) {
    work->WatchOriginal(slots, see);
  } else {
    work->unit().Watch(sequences.rows(), slots, see);
  }
  for (const auto& [slot, sum] : sums) observed.statistics[slot] = sum.Finish();
  return observed;
}

/// The search for one group's scales. A portion of its losses is a sequence.
class GroupSearch {
 public:
  GroupSearch(UnitWork* work, DecoderBlock* block, const ScaleGroup& group,
              const Sequences& sequences, const Observed& observed)
      : work_(work),
        block_(block),
        group_(group),
        sequences_(sequences),
        observed_(observed),
        inputs_(observed.statistics.at(group.slots[0])) {
    for (const LinearSlot* slot : group.slots) specs_.push_back(work->Spec(*slot));
    if (Alone(group)) return;
    for (const LinearSlot* slot : group.watched) {
      const at::ScalarType dtype = observed.inputs.at(slot).dtype();
      readers_[slot] = slot->weight.to(dtype);
    }
  }

  AwqScaleSolution Run(const AwqScale::Options& options) {
    AwqScaleProblem problem;
    for (const LinearSlot* slot : group_.slots) problem.weights.push_back(slot->weight);
    problem.absolute_mean = inputs_.absolute_mean;
    problem.ratios = options.ratios;
    problem.certainty = options.certainty;
    problem.quantize = [this](const at::Tensor& weight, std::size_t i) {
      return specs_[i] ? RoundToNearest(weight, *specs_[i]).Dequantize() : weight;
    };
    problem.losses = [this](const std::vector<at::Tensor>& weights, std::int64_t first,
                            std::int64_t count) { return Losses(weights, first, count); };
    if (!Alone(group_)) problem.portions = sequences_.Count();
    return SearchAwqScale(problem);
  }

 private:
  std::vector<double> Losses(const std::vector<at::Tensor>& weights, std::int64_t first,
                             std::int64_t count) const {
    if (Alone(group_)) return {Moment(weights[0] - group_.slots[0]->weight)};
    for (std::size_t i = 0; i < weights.size(); ++i) group_.slots[i]->effective = weights[i];
    std::vector<double> losses;
    for (std::int64_t row = first; row < first + count; row += kPortionRows) {
      const at::Tensor means = PortionLosses(row) / static_cast<double>(sequences_.Count());
      losses.insert(losses.end(), means.const_data_ptr<double>(),
                    means.const_data_ptr<double>() + means.numel());
      CheckInterrupt();
    }
    for (LinearSlot* slot : group_.slots) slot->effective.reset();
    return losses;
  }

  /// Mean |X gap^T|^2 by the second moment X^T X: a product of weights instead of one of all
  /// tokens.
  double Moment(const at::Tensor& gap) const {
    const at::Tensor sum = (at::mm(gap, inputs_.second_moment) * gap).sum(at::kDouble);
    return sum.item<double>() / static_cast<double>(inputs_.tokens * gap.size(0));
  }

  /// Mean squared differences of each sequence of the portion from `row` on, float64 on the CPU.
  at::Tensor PortionLosses(std::int64_t row) const {
    const auto here = [&](const LinearSlot* slot) {
      return sequences_.PortionOf(observed_.inputs.at(slot), row);
    };
    const auto forward = [&] {
      if (InMlp(group_)) {
        block_->Mlp(here(group_.slots[0]));
      } else {
        work_->unit().Forward(sequences_.Portion(row));
      }
    };
    at::Tensor losses;
    const auto see = [&](std::size_t i, const at::Tensor& x) {
      const LinearSlot* slot = group_.watched[i];
      const at::Tensor gap = x - here(slot);
      const at::Tensor outputs = Linear(gap, readers_.at(slot), {}).to(at::kFloat);
      const at::Tensor of_tokens = outputs.square_().mean(-1).to(at::kDouble);
      const at::Tensor means = of_tokens.reshape({sequences_.PortionSize(row), -1}).mean(1).cpu();
      losses = losses.defined() ? losses + means : means;
    };
    WatchSlots(group_.watched, see, WatchUntil::kLast, forward);
    return losses;
  }

  UnitWork* work_;
  DecoderBlock* block_;
  const ScaleGroup& group_;
  const Sequences& sequences_;
  const Observed& observed_;
  InputStatistics inputs_;                           // of the group
  std::map<const LinearSlot*, at::Tensor> readers_;  // [out, in], what the watched multiply with
  std::vector<std::optional<QuantSpec>> specs_;
};

}  // namespace

void AwqScale::Options::Fields(FieldVisitor& f) {
  f.Int("ratios", &ratios, AtLeast(1), "exponents i / ratios of mean |x| that are tried");
  f.Int("sequences", &sequences, AtLeast(0), "calibration sequences of the search; 0: all");
  f.Real("certainty", &certainty, AtLeast(0),
         "drop a ratio once it is worse than the best by so many standard errors; 0: judge each "
         "ratio by all sequences, as upstream does");
  f.Bool("scale_norms", &scale_norms, "scale what norms feed: q, k, v, gate and up");
  f.Bool("scale_output", &scale_output, "scale the attention's output layer, folded into v");
  f.Bool("scale_down", &scale_down, "scale down, folded into up");
}

StageNeeds AwqScale::Needs(const QuantOptions& /*quant*/) const {
  StageNeeds needs;
  needs.tokens = true;
  needs.original = true;
  needs.watches = options_.sequences == 0;
  return needs;
}

std::int64_t AwqScale::CapturedValues(const BlockPlan& block, std::int64_t hidden,
                                      std::int64_t samples) const {
  if (!options_.scale_norms) return 0;
  std::int64_t values = 0;
  for (const LinearPlan& linear : block.linears) {
    if (linear.expert >= 0) continue;
    if (linear.role == LinearRole::kAttentionOutput) values += linear.in;
    if (linear.role == LinearRole::kDown) values += linear.in + hidden;
  }
  return values * (options_.sequences > 0 ? std::min(options_.sequences, samples) : samples);
}

double AwqScale::WorkingBytes(const BlockPlan& block) const {
  return 7 * sizeof(float) * block.LargestLinear();  // of gate and up, each scaled and rounded
}

void AwqScale::Apply(UnitWork* work) const {
  const at::NoGradGuard no_grad;
  HiddenStates rows = work->Inputs(Chain::kOriginal);
  if (options_.sequences > 0) rows = rows.First(options_.sequences);
  const Sequences sequences(std::move(rows));
  for (const auto& block : work->unit().blocks()) {
    std::vector<ScaleGroup> groups;
    const auto add = [&](bool wanted, std::vector<ScaleGroup> found) {
      if (!wanted) return;
      for (ScaleGroup& group : found) groups.push_back(std::move(group));
    };
    add(options_.scale_norms, NormGroups(block.get()));
    add(options_.scale_output, OutputGroups(block.get()));
    add(options_.scale_down, DownGroups(block.get()));
    groups = FreeGroups(*work, std::move(groups), "not scaled");
    if (groups.empty()) continue;
    const Observed observed = Observe(work, groups, sequences);
    std::vector<std::pair<const ScaleGroup*, at::Tensor>> found;
    for (const ScaleGroup& group : groups) {
      const std::string& name = group.slots[0]->name;
      const AwqScaleSolution solution =
          GroupSearch(work, block.get(), group, sequences, observed).Run(options_);
      if (!solution.found) {
        work->log().Write(name + ": not scaled, since no loss was finite");
        continue;
      }
      for (const LinearSlot* slot : group.slots) {
        work->sink()->Array("layers/" + slot->name + "/awq_ratio", {1}, {solution.ratio});
      }
      work->sink()->Array("units/" + name + "/awq_loss",
                          {static_cast<std::int64_t>(solution.losses.size())}, solution.losses);
      work->sink()->Array("units/" + name + "/awq_sequences",
                          {static_cast<std::int64_t>(solution.seen.size())},
                          {solution.seen.begin(), solution.seen.end()});
      found.emplace_back(&group, solution.scale);
    }
    for (const auto& [group, scale] : found) Fold(*group, scale);
  }
  work->Step();
}

Work AwqScale::WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t samples,
                      std::int64_t seqlen) const {
  const std::int64_t all = options_.sequences > 0 ? std::min(options_.sequences, samples) : samples;
  const double tokens = static_cast<double>(all) * static_cast<double>(seqlen);
  // Ratios that lose the race early see a sixth of the sequences on average (results/solvers.md),
  // but no fewer than 8.
  const double share =
      options_.certainty > 0 ? std::clamp(8 / static_cast<double>(all), 1.0 / 6, 1.0) : 1;
  const auto ratios = static_cast<double>(options_.ratios);
  Work work;
  for (const LinearPlan& linear : block.linears) {
    const bool scaled = linear.role == LinearRole::kDown              ? options_.scale_down
                        : linear.role == LinearRole::kAttentionOutput ? options_.scale_output
                                                                      : options_.scale_norms;
    if (!scaled || !quant.For(linear.name)) continue;
    const double weights = linear.Weights();
    const double seen = share * tokens * block.TokenShare(linear);
    // Attention is a quarter of the layers' products.
    work += {.flops = ratios * 2.5 * seen * weights,
             .values = ratios * 20 * weights,
             .ops = 30 * ratios};
  }
  return work;
}

}  // namespace roundlab
