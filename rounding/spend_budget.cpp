#include "rounding/spend_budget.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/layer_place.h"
#include "core/base/real_text.h"
#include "rounding/bit_allocation.h"

namespace roundlab {
namespace {

constexpr const char* kLayers = "layers/";
constexpr const char* kBits = "/budget_bits";

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
  constexpr double kQuotient = 1 + 1e-12;  // what is meant may be a quotient by `all`, rounded down
  return static_cast<std::int64_t>(std::floor(average * all * kQuotient)) - fixed;
}

double AverageBits(const std::vector<BudgetLayer>& layers,
                   const std::map<std::string, std::int64_t>& bits) {
  double sum = 0;
  double weights = 0;
  for (const BudgetLayer& layer : layers) {
    const auto found = bits.find(layer.name);
    const QuantSpec spec = found == bits.end() ? layer.spec : layer.With(found->second);
    sum += static_cast<double>(GridBits(layer.out, layer.in, spec));
    weights += static_cast<double>(layer.out * layer.in);
  }
  return sum / weights;
}

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
void TellUnscored(const BudgetScores& scores, Log* log) {
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
  const std::vector<BudgetLayer> layers = BudgetLayers(quant, model);
  std::map<std::string, std::int64_t> fewest;
  std::int64_t least = 0;
  for (const BudgetLayer& layer : layers) {
    if (!layer.open) continue;
    fewest[layer.name] = quant.budget->choices.front();
    least += GridBits(layer.out, layer.in, layer.With(quant.budget->choices.front()));
  }
  if (fewest.empty()) {
    throw Error(
        "quant.budget: there is no layer to spend it on: all are skipped or have bits of their own "
        "(quant.overrides)");
  }
  if (least <= OpenBits(layers, quant.budget->bits)) return;
  throw Error("quant.budget.bits: " + RealText(quant.budget->bits) +
              " can't be met: with choices " + ChoicesText(quant.budget->choices) +
              " the least is " + RealText(AverageBits(layers, fewest)) +
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
  const std::vector<BudgetLayer> layers = BudgetLayers(*problem.quant, model);
  const auto scores = ScoreBudget(seen, layers, log);
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
      list.push_back({GridBits(layer.out, layer.in, layer.With(budget.choices[c])), score});
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
