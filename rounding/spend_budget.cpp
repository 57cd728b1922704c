#include "rounding/spend_budget.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/layer_place.h"
#include "core/quant/activation_quantizer.h"
#include "rounding/bit_allocation.h"
#include "rounding/delta_loss.h"
#include "rounding/fisher.h"
#include "rounding/range.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

constexpr const char* kLayers = "layers/";
constexpr const char* kBits = "/budget_bits";
constexpr std::int64_t kMostInputBits = 8;  // of inputs whose quantization is scored

/// A layer that is rounded.
struct BudgetLayer {
  std::string name;
  std::int64_t block = 0;
  std::int64_t out = 0;
  std::int64_t in = 0;
  bool of_expert = false;
  QuantSpec spec;
  bool open = true;  // its bits are to be decided
};

std::vector<BudgetLayer> LayersOf(const QuantOptions& quant, const ModelDescription& model) {
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

QuantSpec WithBits(QuantSpec spec, std::int64_t bits) {
  spec.bits = bits;
  return spec;
}

at::Tensor Nearest(const at::Tensor& weight, const QuantSpec& spec) {
  const GroupLayout layout = GroupLayout::For(weight.size(0), weight.size(1), spec.group_size);
  const at::Tensor groups = layout.Split(weight);
  return QuantizeAffine(groups, {}, MakeGrid(MinMaxRange(groups), spec), layout, spec).Dequantize();
}

std::string ShortNumber(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

std::string ChoicesText(const std::vector<std::int64_t>& choices) {
  std::string text;
  for (const std::int64_t choice : choices) {
    text += (text.empty() ? "[" : ", ") + std::to_string(choice);
  }
  return text + "]";
}

/// What can be spent on the open layers.
std::int64_t OpenBits(const std::vector<BudgetLayer>& layers, double average) {
  double all = 0;
  std::int64_t fixed = 0;
  for (const BudgetLayer& layer : layers) {
    all += static_cast<double>(layer.out * layer.in);
    if (!layer.open) fixed += GridBits(layer.out, layer.in, layer.spec);
  }
  return static_cast<std::int64_t>(std::floor(average * all)) - fixed;
}

double AverageBits(const std::vector<BudgetLayer>& layers,
                   const std::map<std::string, std::int64_t>& bits) {
  double sum = 0;
  double weights = 0;
  for (const BudgetLayer& layer : layers) {
    const auto found = bits.find(layer.name);
    const QuantSpec spec = found == bits.end() ? layer.spec : WithBits(layer.spec, found->second);
    sum += static_cast<double>(GridBits(layer.out, layer.in, spec));
    weights += static_cast<double>(layer.out * layer.in);
  }
  return sum / weights;
}

/// The scores of a model's open layers: a row a layer, a column a choice.
class LayerScores {
 public:
  using Table = std::map<std::string, std::vector<double>>;

  LayerScores(const BudgetProblem& problem, const std::vector<BudgetLayer>& layers, Log* log)
      : problem_(problem), log_(log) {
    for (const BudgetLayer& layer : layers) layers_[layer.name] = &layer;
  }

  Table Make() {
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
        return Nearest(slot.weight, layer.open ? WithBits(layer.spec, bits) : layer.spec);
      };
      for (const LayerSensitivity& found : DeltaLoss(problem, log_).layers) {
        if (!layers_.at(found.name)->open) continue;
        table_[found.name].push_back(found.score + found.inputs);
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
          if (inputs->tokens == 0) return 0.0;
          const at::Tensor outputs = at::mm(weight, inputs->second_moment);
          return (outputs * weight).sum(at::kDouble).item<double>();
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
      const at::Tensor rounded = Nearest(slot.weight, WithBits(found->second->spec, bits));
      table_[slot.name].push_back(cost(slot.weight - rounded));
    }
  }

  const BudgetProblem& problem_;
  Log* log_;
  std::map<std::string, const BudgetLayer*> layers_;
  Table table_;
};

/// "quant.budget: block 0: q_proj 4, experts' up_proj 2 (3), experts' up_proj 4 (1)".
void TellBlocks(const std::vector<BudgetLayer>& layers,
                const std::map<std::string, std::int64_t>& bits, Log* log) {
  std::map<std::int64_t, std::vector<std::string>> blocks;
  std::map<std::pair<std::int64_t, std::string>, std::int64_t> experts;  // how many are alike
  for (const BudgetLayer& layer : layers) {
    const auto found = bits.find(layer.name);
    if (found == bits.end()) continue;
    const std::string text = (layer.of_expert ? "experts' " : "") + PlaceOf(layer.name).kind + " " +
                             std::to_string(found->second);
    if (layer.of_expert && experts[{layer.block, text}]++ > 0) continue;
    blocks[layer.block].push_back(text);
  }
  for (const auto& [block, texts] : blocks) {
    std::string line;
    for (const std::string& text : texts) {
      const auto count = experts.find({block, text});
      line += (line.empty() ? "" : ", ") + text;
      if (count != experts.end()) line += " (" + std::to_string(count->second) + ")";
    }
    log->Write("quant.budget: block " + std::to_string(block) + ": " + line);
  }
}

/// Of layers whose rounding changes nothing that was measured.
void TellUnscored(const LayerScores::Table& scores, Log* log) {
  std::vector<std::string> names;
  for (const auto& [name, own] : scores) {
    if (std::all_of(own.begin(), own.end(), [](double s) { return s == 0; })) names.push_back(name);
  }
  if (names.empty()) return;
  const std::size_t others = names.size() - 1;
  log->Write(
      "quant.budget: " + names.front() +
      (others == 0 ? "" : " and " + std::to_string(others) + " more") +
      ": no score tells what rounding costs there (experts that no calibration token was sent "
      "to, weights or inputs of 0), so the fewest bits are taken");
}

void Tell(const std::vector<BudgetLayer>& layers, const std::map<std::string, std::int64_t>& bits,
          const BitBudget& budget, Log* log) {
  log->Write("quant.budget: " + ShortNumber(AverageBits(layers, bits)) + " of " +
             ShortNumber(budget.bits) + " bits a weight, scales and zero points counted");
  for (const std::int64_t choice : budget.choices) {
    std::int64_t count = 0;
    double weights = 0;
    double all = 0;
    for (const BudgetLayer& layer : layers) {
      const double size = static_cast<double>(layer.out * layer.in);
      all += size;
      const auto found = bits.find(layer.name);
      if (found == bits.end() || found->second != choice) continue;
      ++count;
      weights += size;
    }
    log->Write("quant.budget: " + std::to_string(choice) + " bits: " + std::to_string(count) +
               " layers, " + ShortNumber(std::round(1000 * weights / all) / 10) +
               " % of the weights");
  }
  TellBlocks(layers, bits, log);
}

}  // namespace

void CheckBudget(const QuantOptions& quant, const ModelDescription& model) {
  if (!quant.budget) return;
  const std::vector<BudgetLayer> layers = LayersOf(quant, model);
  std::map<std::string, std::int64_t> fewest;
  std::int64_t least = 0;
  for (const BudgetLayer& layer : layers) {
    if (!layer.open) continue;
    fewest[layer.name] = quant.budget->choices.front();
    least += GridBits(layer.out, layer.in, WithBits(layer.spec, quant.budget->choices.front()));
  }
  if (fewest.empty()) {
    throw Error(
        "quant.budget: there is no layer to spend it on: all are skipped or have bits of their own "
        "(quant.overrides)");
  }
  if (least <= OpenBits(layers, quant.budget->bits)) return;
  throw Error("quant.budget.bits: " + ShortNumber(quant.budget->bits) +
              " can't be met: with choices " + ChoicesText(quant.budget->choices) +
              " the least is " + ShortNumber(AverageBits(layers, fewest)) +
              " bits a weight, scales and zero points counted");
}

RunRecord SpendBudget(const BudgetProblem& problem, Log* log) {
  const ModelDescription& model = problem.source->description();
  CheckBudget(*problem.quant, model);
  const BitBudget& budget = *problem.quant->budget;
  const std::int64_t all = problem.tokens.size(0);
  BudgetProblem seen = problem;
  seen.tokens =
      problem.tokens.narrow(0, 0, budget.sequences > 0 ? std::min(budget.sequences, all) : all);
  const std::vector<BudgetLayer> layers = LayersOf(*problem.quant, model);
  const auto scores = LayerScores(seen, layers, log).Make();
  TellUnscored(scores, log);
  std::vector<const BudgetLayer*> open;
  std::vector<std::vector<BitOption>> options;
  for (const BudgetLayer& layer : layers) {
    if (!layer.open) continue;
    open.push_back(&layer);
    std::vector<BitOption>& list = options.emplace_back();
    for (std::size_t c = 0; c < budget.choices.size(); ++c) {
      const double score = scores.at(layer.name)[c];
      if (!std::isfinite(score)) {
        throw Diverged("quant.budget: the score of " + layer.name + " at " +
                       std::to_string(budget.choices[c]) + " bits is not finite");
      }
      list.push_back(
          {GridBits(layer.out, layer.in, WithBits(layer.spec, budget.choices[c])), score});
    }
  }
  const auto best = AllocateBits(options, OpenBits(layers, budget.bits));
  ROUNDLAB_CHECK(best.has_value(), "a budget that can be met");
  RunRecord record;
  for (std::size_t i = 0; i < open.size(); ++i) {
    const std::vector<double>& own = scores.at(open[i]->name);
    record.Array(kLayers + open[i]->name + kBits, {1},
                 {static_cast<double>(budget.choices[best->choice[i]])});
    record.Array(kLayers + open[i]->name + "/budget_scores",
                 {static_cast<std::int64_t>(own.size())}, own);
  }
  const auto bits = SpentBits(record);
  record.Array("budget/choices", {static_cast<std::int64_t>(budget.choices.size())},
               {budget.choices.begin(), budget.choices.end()});
  record.Array("budget/bits_per_weight", {1}, {AverageBits(layers, bits)});
  record.Array("budget/score", {1}, {best->loss});
  Tell(layers, bits, budget, log);
  return record;
}

std::map<std::string, std::int64_t> SpentBits(const RunRecord& budget) {
  std::map<std::string, std::int64_t> bits;
  const std::string before = kLayers;
  const std::string after = kBits;
  for (const auto& [name, array] : budget.arrays()) {
    if (!name.starts_with(before) || !name.ends_with(after)) continue;
    const std::string layer =
        name.substr(before.size(), name.size() - before.size() - after.size());
    bits[layer] = static_cast<std::int64_t>(array.values.at(0));
  }
  return bits;
}

void TellOverspent(const BitBudget& budget, const QuantizedModel& model, Log* log) {
  const double bits = model.BitsPerWeight();
  if (!(bits > budget.bits * (1 + 1e-9))) return;
  log->Write("quant.budget: what is stored takes " + ShortNumber(bits) +
             " bits a weight, not the " + ShortNumber(budget.bits) +
             " that were to be spent: more than codes, scales and zero points");
}

}  // namespace roundlab
