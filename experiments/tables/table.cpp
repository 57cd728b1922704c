#include "experiments/tables/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "experiments/run/json_number.h"
#include "experiments/tables/cell.h"

namespace roundlab {
namespace {

constexpr double kSignificant = 0.05;

/// Labels of the axes that a table does not name: ", seqlen 512".
std::string OtherLabels(const Experiment& experiment, const PlannedRun& run,
                        const TableSpec& spec) {
  std::string label;
  for (const Axis& axis : experiment.axes) {
    if (axis.name == spec.rows || axis.name == spec.columns) continue;
    label += ", " + axis.name + " " + run.labels.at(axis.name);
  }
  return label;
}

/// The cells of a table, by row and column.
class CellGrid {
 public:
  CellGrid(const Experiment& experiment, const TableSpec& spec,
           const std::vector<RunOutcome>& outcomes)
      : spec_(spec) {
    const OutcomeIndex by_id = ById(outcomes);
    for (const PlannedRun& run : experiment.runs) {
      const std::string others = OtherLabels(experiment, run, spec);
      const std::string row = run.labels.at(spec.rows) + others;
      const std::string column = spec.columns.empty() ? spec.Title() : run.labels.at(spec.columns);
      baselines_[row] = spec.compare_to + others;
      if (run.config.pipeline.empty()) as_it_is_.insert({row, column});
      Place(&rows_, row);
      Place(&columns_, column);
      cells_[{row, column}].Add(run.seed, FindOutcome(by_id, run.id), spec.value);
    }
  }

  const std::vector<std::string>& rows() const { return rows_; }
  const std::vector<std::string>& columns() const { return columns_; }
  const Cell* At(const std::string& row, const std::string& column) const {
    const auto found = cells_.find({row, column});
    return found == cells_.end() ? nullptr : &found->second;
  }

  /// p of the difference from the baseline's cell of the same column.
  std::optional<double> Chance(const std::string& row, const std::string& column) {
    const std::string& baseline = baselines_.at(row);
    const Cell* a = At(baseline, column);
    const Cell* b = At(row, column);
    if (spec_.compare_to.empty() || baseline == row || a == nullptr || b == nullptr) return {};
    std::string problem;
    const auto chance = Cell::Chance(*a, *b, spec_.value, &problem);
    if (!problem.empty()) problems_.insert(problem);
    return chance;
  }

  /// Of the tests made so far: what could not be read.
  const std::set<std::string>& problems() const { return problems_; }

  /// The rows of a column's best mean among quantized models, where two at least compete.
  std::set<std::string> Best(const std::string& column) const {
    const auto lower = LowerIsBetter(spec_.value);
    std::map<double, std::set<std::string>> rows;  // by mean
    std::size_t competing = 0;
    for (const std::string& row : rows_) {
      const Cell* cell = At(row, column);
      if (cell == nullptr || cell->empty() || as_it_is_.count({row, column}) != 0) continue;
      if (!std::isfinite(cell->MeanValue())) continue;
      rows[cell->MeanValue()].insert(row);
      ++competing;
    }
    if (!lower || competing < 2) return {};
    return *lower ? rows.begin()->second : rows.rbegin()->second;
  }

 private:
  static void Place(std::vector<std::string>* list, const std::string& label) {
    if (std::find(list->begin(), list->end(), label) == list->end()) list->push_back(label);
  }

  const TableSpec& spec_;
  std::vector<std::string> rows_;
  std::vector<std::string> columns_;
  std::map<std::pair<std::string, std::string>, Cell> cells_;
  std::map<std::string, std::string> baselines_;  // row -> row it is compared with
  std::set<std::pair<std::string, std::string>> as_it_is_;
  std::set<std::string> problems_;
};

/// Whether an overview shows a metric: what an evaluator is asked for first.
bool Headline(const std::string& metric) {
  static const std::set<std::string> kNames = {
      "perplexity", "word_perplexity", "acc", "acc_norm", "mc2", "kl_mean", "same_top"};
  return kNames.count(metric.substr(metric.rfind('/') + 1)) != 0;
}

std::string Rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.0f", value);
  return text;
}

/// What a perplexity said of itself; nullopt where `name` is none.
std::optional<std::vector<std::string>> ProtocolRow(const RunResult& result,
                                                    const std::string& name) {
  const auto told = [&](const char* key) {
    const auto found = result.provenance.find("eval/" + name + "/" + key);
    return found == result.provenance.end() ? "" : found->second;
  };
  const auto metric = [&](const char* key, const auto& format) -> std::string {
    const auto value = result.Value(name + "/" + key);
    return value ? format(*value) : "-";
  };
  if (told("protocol").empty()) return std::nullopt;
  std::string perplexity = metric("perplexity", FormatNumber);
  const auto a_word = result.Value(name + "/word_perplexity");
  if (a_word) perplexity += " (a word: " + FormatNumber(*a_word) + ")";
  return {{told("protocol") + ", " + told("settings"), perplexity, metric("stderr", FormatNumber),
           metric("tokens", Rounded),
           metric("context_least", Rounded) + " / " + metric("context_mean", Rounded), told("bos"),
           told("rule")}};
}

}  // namespace

TextTable MakeTable(const Experiment& experiment, const TableSpec& spec,
                    const std::vector<RunOutcome>& outcomes) {
  CellGrid grid(experiment, spec, outcomes);
  TextTable table;
  table.title = spec.Title();
  table.header = {spec.columns.empty() ? spec.rows : spec.rows + " \\ " + spec.columns};
  table.header.insert(table.header.end(), grid.columns().begin(), grid.columns().end());
  std::vector<std::set<std::string>> best;  // rows of each column
  for (const std::string& column : grid.columns()) best.push_back(grid.Best(column));
  bool marked = false;
  for (const std::string& row : grid.rows()) {
    auto& line = table.rows.emplace_back(1, row);
    for (const std::string& column : grid.columns()) {
      const Cell* cell = grid.At(row, column);
      const auto chance = grid.Chance(row, column);
      line.push_back(cell == nullptr ? "" : cell->Text());
      if (chance && *chance < kSignificant) line.back() += " †";
      marked = marked || chance.has_value();
    }
    for (std::size_t c = 0; c < best.size(); ++c) {
      if (best[c].count(row) > 0) table.best.insert({table.rows.size() - 1, c + 1});
    }
  }
  if (marked) {
    table.notes.push_back("† differs from " + spec.compare_to +
                          " with p < 0.05, not corrected for the number of cells: paired t test "
                          "over seeds, or by document where each has one run.");
  }
  for (const std::string& problem : grid.problems())
    table.notes.push_back("Not tested: " + problem);
  return table;
}

TextTable MakeLongTable(const Experiment& experiment, const TableSpec& spec,
                        const std::vector<RunOutcome>& outcomes) {
  CellGrid grid(experiment, spec, outcomes);
  const auto exact = [](double value) {
    char text[40];
    std::snprintf(text, sizeof(text), "%.17g", value);
    return std::string(NotFiniteName(value) == nullptr ? text : NotFiniteName(value));
  };
  TextTable table;
  table.title = spec.Title();
  table.header = {spec.rows,
                  spec.columns.empty() ? "column" : spec.columns,
                  "metric",
                  "mean",
                  "half_width_95",
                  "n",
                  "p",
                  "status"};
  for (const std::string& row : grid.rows()) {
    for (const std::string& column : grid.columns()) {
      const Cell* cell = grid.At(row, column);
      if (cell == nullptr) continue;
      const auto chance = grid.Chance(row, column);
      const bool none = cell->empty() && cell->Missing().empty();
      table.rows.push_back(
          {row, column, spec.Title(), cell->empty() ? "" : exact(cell->MeanValue()),
           std::isfinite(cell->HalfWidth()) ? exact(cell->HalfWidth()) : "",
           std::to_string(cell->Values().size()), chance ? exact(*chance) : "",
           none ? "no such metric" : (cell->Missing().empty() ? "complete" : cell->Missing())});
    }
  }
  return table;
}

std::vector<std::string> HeadlineMetrics(const std::vector<RunOutcome>& outcomes) {
  std::vector<std::string> metrics;
  for (const RunOutcome& outcome : outcomes) {
    for (const auto& [name, value] : outcome.result.metrics) {
      if (Headline(name) && std::find(metrics.begin(), metrics.end(), name) == metrics.end()) {
        metrics.push_back(name);
      }
    }
  }
  return metrics;
}

TextTable MakeOverview(const Experiment& experiment, const std::vector<RunOutcome>& outcomes) {
  std::vector<std::string> metrics = HeadlineMetrics(outcomes);
  for (const char* name : {"model/bits_per_weight", "cost/seconds", "cost/peak_gib"}) {
    metrics.emplace_back(name);
  }
  TextTable table;
  table.header = {"run"};
  table.header.insert(table.header.end(), metrics.begin(), metrics.end());
  std::vector<std::string> order;
  std::map<std::string, std::vector<Cell>> points;
  const OutcomeIndex by_id = ById(outcomes);
  for (const PlannedRun& run : experiment.runs) {
    const std::string label = PointLabel(experiment, run);
    const auto [point, added] = points.emplace(label, std::vector<Cell>(metrics.size()));
    if (added) order.push_back(label);
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      point->second[i].Add(run.seed, FindOutcome(by_id, run.id), metrics[i]);
    }
  }
  for (const std::string& label : order) {
    auto& line = table.rows.emplace_back(1, label);
    for (const Cell& cell : points.at(label)) line.push_back(cell.Text());
  }
  return table;
}

std::vector<TextTable> MakeProtocolTables(const Experiment& experiment,
                                          const std::vector<RunOutcome>& outcomes) {
  const OutcomeIndex by_id = ById(outcomes);
  for (const PlannedRun& run : experiment.runs) {
    const RunOutcome* outcome = FindOutcome(by_id, run.id);
    if (outcome == nullptr || outcome->state != RunState::kDone) continue;
    std::vector<TextTable> tables;
    std::map<std::string, std::size_t> places;  // of each data set's table
    for (const EvaluatorRecipe& recipe : run.config.eval) {
      for (const std::string& name : recipe.make()->Names()) {
        const auto row = ProtocolRow(outcome->result, name);
        if (!row) continue;
        const std::string data = outcome->result.provenance.at("eval/" + name + "/data");
        const auto [place, added] = places.try_emplace(data, tables.size());
        if (added) {
          tables.push_back(
              {"Perplexity of " + data + " by protocol: " + PointLabel(experiment, run),
               {"protocol", "perplexity", "standard error", "tokens", "context least / mean", "BOS",
                "why it differs"},
               {}});
        }
        tables[place->second].rows.push_back(*row);
      }
    }
    std::erase_if(tables, [](const TextTable& table) { return table.rows.size() < 2; });
    return tables;
  }
  return {};
}

}  // namespace roundlab
