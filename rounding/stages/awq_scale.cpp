#include "rounding/stages/awq_scale.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "rounding/solvers/awq.h"
#include "rounding/stages/scale_groups.h"
#include "rounding/statistics.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

/// Runs `forward`, no further than the last of these slots; `see` gets what they are fed.
void Follow(const std::vector<LinearSlot*>& slots, const std::function<void()>& forward,
            const std::function<void(const LinearSlot*, const at::Tensor&)>& see) {
  std::size_t left = slots.size();
  for (LinearSlot* slot : slots) {
    slot->on_input = [&see, &left, slot](const at::Tensor& x) {
      see(slot, x);
      if (--left == 0) throw ForwardReached();
    };
  }
  try {
    forward();
  } catch (const ForwardReached&) {
  }
  for (LinearSlot* slot : slots) slot->on_input = {};
}

/// The search for one group's scales. A portion of its losses is a sequence.
class GroupSearch {
 public:
  GroupSearch(UnitWork* work, DecoderBlock* block, const ScaleGroup& group, HiddenStates rows)
      : work_(work), block_(block), group_(group), rows_(std::move(rows)) {
    LinearSlot* first = group.slots[0];
    alone_ = group.watched == group.slots;
    const bool mlp = std::none_of(group.slots.begin(), group.slots.end(), [](const auto* slot) {
      return ReadsAttention(slot->role) || slot->signs.defined();
    });
    StatisticsKinds kinds;
    kinds.channel = true;
    kinds.second_moment = alone_;
    InputAccumulator sums(kinds, rows_.rows() * rows_.values().size(1));
    ForRows(rows_, [&](const at::Tensor& part, std::int64_t /*row*/) {
      const auto forward = [&] { work_->unit().Forward(part); };
      Follow({first}, forward, [&](const LinearSlot*, const at::Tensor& x) {
        sums.Add(x);
        if (alone_ || !mlp) return;
        for (const at::Tensor& sequence : x.split(1)) fed_.push_back(sequence);
      });
    });
    inputs_ = sums.Finish();
    if (alone_) inputs_.second_moment = inputs_.second_moment.to(at::kDouble);
    for (const LinearSlot* slot : group.slots) specs_.push_back(work->Spec(*slot));
  }

  AwqScaleSolution Run(const AwqScale::Options& options) {
    AwqScaleProblem problem;
    for (const LinearSlot* slot : group_.slots) problem.weights.push_back(slot->weight);
    problem.absolute_mean = inputs_.absolute_mean;
    problem.ratios = options.ratios;
    problem.certainty = options.certainty;
    problem.quantize = [this](const at::Tensor& weight, std::size_t i) {
      return specs_[i] ? RoundTrip(weight, *specs_[i]) : weight;
    };
    problem.losses = [this](const std::vector<at::Tensor>& weights, std::int64_t first,
                            std::int64_t count) { return Losses(weights, first, count); };
    if (!alone_) problem.portions = rows_.rows();
    return SearchAwqScale(problem);
  }

 private:
  /// What the watched slots are fed, [tokens, in] float32 each.
  using Seen = std::map<const LinearSlot*, at::Tensor>;

  static at::Tensor RoundTrip(const at::Tensor& weight, const QuantSpec& spec) {
    const GroupLayout layout = GroupLayout::For(weight.size(0), weight.size(1), spec.group_size);
    const at::Tensor groups = layout.Split(weight);
    return QuantizeAffine(groups, {}, MakeGrid(MinMaxRange(groups), spec), layout, spec)
        .Dequantize();
  }

  std::vector<double> Losses(const std::vector<at::Tensor>& weights, std::int64_t first,
                             std::int64_t count) {
    if (alone_) return {Moment(weights[0] - group_.slots[0]->weight)};
    if (first != first_original_ || original_.empty()) KeepOriginals(first, count);
    for (std::size_t i = 0; i < weights.size(); ++i) group_.slots[i]->effective = weights[i];
    std::vector<double> losses;
    for (std::int64_t row = first; row < first + count; ++row) {
      const Seen changed = Watch(row);
      const Seen& original = original_.at(static_cast<std::size_t>(row - first));
      double loss = 0;
      for (const LinearSlot* slot : group_.watched) {
        loss += MeanSquare(at::mm(changed.at(slot) - original.at(slot), slot->weight.t()));
      }
      losses.push_back(loss / static_cast<double>(rows_.rows()));
      CheckInterrupt();
    }
    for (LinearSlot* slot : group_.slots) slot->effective.reset();
    return losses;
  }

  /// Mean |X gap^T|^2 by the second moment X^T X: a product of weights instead of one of all
  /// tokens.
  double Moment(const at::Tensor& difference) const {
    const at::Tensor gap = difference.to(at::kDouble);
    const at::Tensor sum = (at::mm(gap, inputs_.second_moment) * gap).sum();
    return sum.item<double>() / static_cast<double>(inputs_.tokens * gap.size(0));
  }

  void KeepOriginals(std::int64_t first, std::int64_t count) {
    original_.clear();
    for (std::int64_t row = first; row < first + count; ++row) original_.push_back(Watch(row));
    first_original_ = first;
  }

  Seen Watch(std::int64_t row) const {
    Seen seen;
    const auto forward = [&] {
      if (fed_.empty()) {
        work_->unit().Forward(rows_.Narrow(row, 1));
      } else {
        block_->Mlp(fed_[static_cast<std::size_t>(row)]);
      }
    };
    Follow(group_.watched, forward, [&](const LinearSlot* slot, const at::Tensor& x) {
      seen[slot] = x.reshape({-1, x.size(-1)}).to(at::kFloat);
    });
    return seen;
  }

  static double MeanSquare(const at::Tensor& values) {
    return values.square().mean(at::kDouble).item<double>();
  }

  UnitWork* work_;
  DecoderBlock* block_;
  const ScaleGroup& group_;
  const HiddenStates rows_;
  bool alone_;                   // the group's own outputs are what is compared
  InputStatistics inputs_;       // of the group; the moment where it is alone
  std::vector<at::Tensor> fed_;  // each sequence of the MLP's input, where that is the group's
  std::vector<Seen> original_;   // of the sequences from first_original_ on
  std::int64_t first_original_ = 0;
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
  return needs;
}

void AwqScale::Apply(UnitWork* work) const {
  const at::NoGradGuard no_grad;
  HiddenStates rows = work->Inputs(Chain::kOriginal);
  if (options_.sequences > 0) rows = rows.First(options_.sequences);
  for (const auto& block : work->unit().blocks()) {
    std::vector<ScaleGroup> groups;
    const auto add = [&](bool wanted, std::vector<ScaleGroup> found) {
      if (!wanted) return;
      for (ScaleGroup& group : found) groups.push_back(std::move(group));
    };
    add(options_.scale_norms, NormGroups(block.get()));
    add(options_.scale_output, OutputGroups(block.get()));
    add(options_.scale_down, DownGroups(block.get()));
    std::vector<std::pair<const ScaleGroup*, at::Tensor>> found;
    for (const ScaleGroup& group : groups) {
      const std::string& name = group.slots[0]->name;
      if (!group.obstacle.empty()) {
        work->log().Write(name + ": not scaled, since " + group.obstacle);
        continue;
      }
      const AwqScaleSolution solution = GroupSearch(work, block.get(), group, rows).Run(options_);
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

}  // namespace roundlab
