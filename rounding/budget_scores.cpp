#include "rounding/budget_scores.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "core/metrics/run_record.h"
#include "core/quant/activation_quantizer.h"
#include "rounding/delta_loss.h"
#include "rounding/fisher.h"
#include "rounding/range.h"
#include "rounding/statistics.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

constexpr std::int64_t kMostInputBits = 8;  // of inputs whose quantization is scored

/// The scores of a model's open layers: a row a layer, a column a choice.
class LayerScores {
 public:
  LayerScores(const BudgetProblem& problem, const std::vector<BudgetLayer>& layers, Log* log)
      : problem_(problem), log_(log) {
    for (const BudgetLayer& layer : layers) layers_[layer.name] = &layer;
  }

  BudgetScores Make() {
    switch (problem_.quant->budget->score) {
      case BudgetScore::kDeltaLoss:
        ByDeltaLoss();
        break;
      case BudgetScore::kFisher:
        ByFisher();
        break;
      case BudgetScore::kOutputSnr:
        ByOutputSnr();
        break;
    }
    return std::move(table_);
  }

 private:
  const std::vector<std::int64_t>& Choices() const { return problem_.quant->budget->choices; }

  void ByDeltaLoss() {
    GradientProblem problem;
    problem.source = problem_.source;
    problem.tokens = problem_.tokens;
    if (problem_.quant->budget->inputs && problem_.inputs) {
      problem.quantizer = [this](const LinearSlot& slot) { return InputsOf(slot.name); };
    }
    for (const std::int64_t bits : Choices()) {
      problem.weight = [&](const LinearSlot& slot) {
        const auto found = layers_.find(slot.name);
        if (found == layers_.end()) return at::Tensor();
        const BudgetLayer& layer = *found->second;
        return RoundToNearest(slot.weight, layer.open ? layer.With(bits) : layer.spec).Dequantize();
      };
      for (const LayerSensitivity& found : DeltaLoss(problem, log_).layers) {
        if (!layers_.at(found.name)->open) continue;
        table_[found.name].push_back(found.score + found.input_score);
      }
    }
  }

  std::shared_ptr<const ActivationQuantizer> InputsOf(const std::string& layer) const {
    auto inputs = layers_.count(layer) > 0 ? problem_.inputs(layer) : nullptr;
    return inputs && inputs->spec.bits <= kMostInputBits ? inputs : nullptr;
  }

  void ByFisher() {
    GradientProblem problem;
    problem.source = problem_.source;
    problem.tokens = problem_.tokens;
    const auto wanted = [&](const LinearSlot& slot) {
      const auto found = layers_.find(slot.name);
      return found != layers_.end() && found->second->open;
    };
    const FisherDiagonal all = DiagonalFisher(problem, wanted, log_);
    for (std::int64_t i = 0; i < problem_.source->description().layers; ++i) {
      const auto block = problem_.source->LoadBlock(i);
      for (const LinearSlot* slot : block->Linears()) {
        Score(*slot, [&](const at::Tensor& error) {
          return 0.5 * (all.at(slot->name) * error.square()).sum(at::kDouble).item<double>();
        });
      }
    }
  }

  void ByOutputSnr() {
    const ModelEnds ends = problem_.source->LoadEnds();
    const RopeTable rope = ends.Rope(problem_.tokens.size(1));
    WorkSetting setting;
    const auto range = problem_.quant->range.make();
    setting.quant = problem_.quant;
    setting.range = range.get();
    setting.needs.of_original.second_moment = true;
    Log quiet("", true);  // of skipped layers the pipeline tells
    setting.log = &quiet;
    HiddenStates hidden = ends.Embed(problem_.tokens);
    RunRecord unused;
    for (const UnitPlan& plan : PlanUnits(problem_.source->description().layers, 1)) {
      const Unit unit(*problem_.source, plan, rope);
      UnitWork work(setting, unit, std::move(hidden), {}, {}, &unused);
      for (const LinearSlot* slot : unit.Slots()) {
        if (layers_.count(slot->name) == 0) continue;
        const auto inputs = work.Statistics(*slot, Chain::kOriginal);
        const auto power = [&](const at::Tensor& weight) {
          return inputs->tokens == 0 ? 0.0 : OutputEnergy(weight, inputs->second_moment);
        };
        const double signal = power(slot->weight);
        Score(*slot,
              [&](const at::Tensor& error) { return signal > 0 ? power(error) / signal : 0; });
      }
      work.Finish();
      hidden = work.original();
    }
  }

  /// `cost` of W - W^ for each choice.
  void Score(const LinearSlot& slot, const std::function<double(const at::Tensor&)>& cost) {
    const auto found = layers_.find(slot.name);
    if (found == layers_.end() || !found->second->open) return;
    for (const std::int64_t bits : Choices()) {
      const at::Tensor rounded =
          RoundToNearest(slot.weight, found->second->With(bits)).Dequantize();
      table_[slot.name].push_back(cost(slot.weight - rounded));
    }
  }

  const BudgetProblem& problem_;
  Log* log_;
  std::map<std::string, const BudgetLayer*> layers_;
  BudgetScores table_;
};

}  // namespace

std::vector<BudgetLayer> BudgetLayers(const QuantOptions& quant, const ModelDescription& model) {
  std::vector<BudgetLayer> layers;
  for (std::int64_t i = 0; i < model.layers; ++i) {
    for (const LinearPlan& linear : model.Plan(i).linears) {
      const auto spec = quant.For(linear.name);
      if (!spec) continue;
      layers.push_back({linear.name, i, linear.out, linear.in, linear.expert >= 0, *spec,
                        !quant.HasBits(linear.name)});
    }
  }
  return layers;
}

BudgetScores ScoreBudget(const BudgetProblem& problem, const std::vector<BudgetLayer>& layers,
                         Log* log) {
  return LayerScores(problem, layers, log).Make();
}

}  // namespace roundlab
