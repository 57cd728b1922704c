#include "rounding/stages/awq_scale.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "rounding/solvers/awq.h"
#include "rounding/stages/scale_groups.h"
#include "rounding/statistics.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

using Inputs = std::map<const LinearSlot*, at::Tensor>;

/// Sends `rows` of hidden states through the unit, no further than the last of these slots; `see`
/// gets what they are fed, portion by portion.
void Follow(const Unit& unit, const std::vector<LinearSlot*>& slots, const HiddenStates& rows,
            const std::function<void(const LinearSlot*, const at::Tensor&)>& see) {
  std::size_t left = 0;
  for (LinearSlot* slot : slots) {
    slot->on_input = [&see, &left, slot](const at::Tensor& x) {
      see(slot, x);
      if (--left == 0) throw ForwardReached();
    };
  }
  ForRows(rows, [&](const at::Tensor& part, std::int64_t /*first*/) {
    left = slots.size();
    try {
      unit.Forward(part);
    } catch (const ForwardReached&) {
    }
  });
  for (LinearSlot* slot : slots) slot->on_input = {};
}

/// What these slots are fed, [tokens, in] float32.
Inputs Watch(const Unit& unit, const std::vector<LinearSlot*>& slots, const HiddenStates& rows) {
  std::map<const LinearSlot*, std::vector<at::Tensor>> seen;
  Follow(unit, slots, rows, [&](const LinearSlot* slot, const at::Tensor& x) {
    seen[slot].push_back(x.reshape({-1, x.size(-1)}).to(at::kFloat));
  });
  Inputs inputs;
  for (const LinearSlot* slot : slots) inputs[slot] = at::cat(seen.at(slot));
  return inputs;
}

/// Its mean magnitudes and second moment.
InputStatistics Measure(const Unit& unit, LinearSlot* slot, const HiddenStates& rows) {
  StatisticsKinds kinds;
  kinds.channel = kinds.second_moment = true;
  InputAccumulator sums(kinds, rows.rows() * rows.values().size(1));
  Follow(unit, {slot}, rows, [&](const LinearSlot*, const at::Tensor& x) { sums.Add(x); });
  return sums.Finish();
}

/// The search for one group's scales.
class GroupSearch {
 public:
  GroupSearch(UnitWork* work, const ScaleGroup& group, const HiddenStates& rows)
      : work_(work), group_(group), rows_(rows), alone_(group.watched == group.slots) {
    if (alone_) {
      inputs_ = Measure(work->unit(), group.slots[0], rows);
      inputs_.second_moment = inputs_.second_moment.to(at::kDouble);
    } else {
      std::vector<LinearSlot*> all = group.watched;
      all.push_back(group.slots[0]);
      original_ = Watch(work->unit(), all, rows);
      inputs_.absolute_mean = original_.at(group.slots[0]).abs().mean(0);
      original_.erase(group.slots[0]);
    }
    for (const LinearSlot* slot : group.slots) specs_.push_back(work->Spec(*slot));
  }

  AwqScaleSolution Run(std::int64_t ratios) {
    AwqScaleProblem problem;
    for (const LinearSlot* slot : group_.slots) problem.weights.push_back(slot->weight);
    problem.absolute_mean = inputs_.absolute_mean;
    problem.ratios = ratios;
    problem.quantize = [this](const at::Tensor& weight, std::size_t i) {
      return specs_[i] ? RoundTrip(weight, *specs_[i]) : weight;
    };
    problem.loss = [this](const std::vector<at::Tensor>& weights) { return Loss(weights); };
    return SearchAwqScale(problem);
  }

 private:
  static at::Tensor RoundTrip(const at::Tensor& weight, const QuantSpec& spec) {
    const GroupLayout layout = GroupLayout::For(weight.size(0), weight.size(1), spec.group_size);
    const at::Tensor groups = layout.Split(weight);
    return QuantizeAffine(groups, {}, MakeGrid(MinMaxRange(groups), spec), layout, spec)
        .Dequantize();
  }

  double Loss(const std::vector<at::Tensor>& weights) {
    if (alone_) {
      // |X gap^T|^2 by the second moment X^T X: a product of weights instead of one of all tokens.
      const at::Tensor gap = (weights[0] - group_.slots[0]->weight).to(at::kDouble);
      const at::Tensor sum = (at::mm(gap, inputs_.second_moment) * gap).sum();
      return sum.item<double>() / static_cast<double>(inputs_.tokens * gap.size(0));
    }
    for (std::size_t i = 0; i < weights.size(); ++i) group_.slots[i]->effective = weights[i];
    const Inputs changed = Watch(work_->unit(), group_.watched, rows_);
    for (LinearSlot* slot : group_.slots) slot->effective.reset();
    double loss = 0;
    for (const LinearSlot* slot : group_.watched) {
      loss += MeanSquare(at::mm(changed.at(slot) - original_.at(slot), slot->weight.t()));
    }
    return loss;
  }

  static double MeanSquare(const at::Tensor& values) {
    return values.square().mean(at::kDouble).item<double>();
  }

  UnitWork* work_;
  const ScaleGroup& group_;
  const HiddenStates rows_;
  const bool alone_;        // the group's own outputs are what is compared
  InputStatistics inputs_;  // of the group; the moment where it is alone
  Inputs original_;         // of what is watched, where it is not
  std::vector<std::optional<QuantSpec>> specs_;
};

}  // namespace

void AwqScale::Options::Fields(FieldVisitor& f) {
  f.Int("ratios", &ratios, AtLeast(1), "exponents i / ratios of mean |x| that are tried");
  f.Int("sequences", &sequences, AtLeast(0), "calibration sequences of the search; 0: all");
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
      const AwqScaleSolution solution = GroupSearch(work, group, rows).Run(options_.ratios);
      if (!solution.found) {
        work->log().Write(name + ": not scaled, since no loss was finite");
        continue;
      }
      for (const LinearSlot* slot : group.slots) {
        work->sink()->Array("layers/" + slot->name + "/awq_ratio", {1}, {solution.ratio});
      }
      work->sink()->Array("units/" + name + "/awq_loss",
                          {static_cast<std::int64_t>(solution.losses.size())}, solution.losses);
      found.emplace_back(&group, solution.scale);
    }
    for (const auto& [group, scale] : found) Fold(*group, scale);
  }
  work->Step();
}

}  // namespace roundlab
