#include "experiments/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "core/base/statistics.h"

namespace roundlab {
namespace {

std::string Number(double value) {
  if (std::isnan(value)) return "-";
  char text[32];
  const double size = std::fabs(value);
  const int digits = size >= 1000 ? 1 : (size >= 100 ? 2 : (size >= 10 ? 3 : 4));
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

const RunOutcome* FindOutcome(const std::vector<RunOutcome>& outcomes, const std::string& id) {
  for (const RunOutcome& outcome : outcomes) {
    if (outcome.id == id) return &outcome;
  }
  return nullptr;
}

/// Values of one cell, over seeds. Seeds that share a run (nothing is drawn) count once.
class Cell {
 public:
  void Add(const RunOutcome* outcome, const std::string& metric) {
    if (outcome == nullptr || !ids_.insert(outcome->id).second) return;
    if (outcome->state != RunState::kDone) {
      missing_ = outcome->state == RunState::kFailed ? "failed" : "not run";
      return;
    }
    const auto value = outcome->result.Value(metric);
    if (value) values_.push_back(*value);
  }
  std::string Text() const {
    if (values_.empty()) return missing_.empty() ? "-" : missing_;
    std::string text = Number(Mean(values_));
    if (values_.size() > 1) {
      text += " ± " + Number(ConfidenceHalfWidth95(values_)) +
              " (n=" + std::to_string(values_.size()) + ")";
    }
    return missing_.empty() ? text : text + ", " + missing_;
  }

 private:
  std::set<std::string> ids_;
  std::vector<double> values_;
  std::string missing_;
};

/// Width on a terminal: code points, not bytes.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string RowLabel(const Experiment& experiment, const PlannedRun& run, const TableSpec& spec) {
  std::string label = run.labels.at(spec.rows);
  for (const Axis& axis : experiment.axes) {
    if (axis.name == spec.rows || axis.name == spec.columns) continue;
    label += ", " + axis.name + " " + run.labels.at(axis.name);
  }
  return label;
}

/// Whether an overview shows a metric: what an evaluator is asked for first.
bool Headline(const std::string& metric) {
  static const std::set<std::string> kNames = {
      "perplexity", "word_perplexity", "acc", "acc_norm", "mc2", "kl_mean", "same_top"};
  return kNames.count(metric.substr(metric.rfind('/') + 1)) != 0;
}

/// Rows and columns exchanged.
TextTable Turned(const TextTable& table) {
  TextTable turned;
  turned.title = table.title;
  turned.header = {table.header.front()};
  for (const auto& row : table.rows) turned.header.push_back(row.front());
  for (std::size_t i = 1; i < table.header.size(); ++i) {
    auto& line = turned.rows.emplace_back(1, table.header[i]);
    for (const auto& row : table.rows) line.push_back(row[i]);
  }
  return turned;
}

std::string PointLabel(const Experiment& experiment, const PlannedRun& run) {
  std::string label;
  for (const Axis& axis : experiment.axes) {
    label += (label.empty() ? "" : ", ") + run.labels.at(axis.name);
  }
  return label.empty() ? experiment.name : label;
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
  const auto metric = [&](const char* key) {
    return result.Value(name + "/" + key).value_or(std::nan(""));
  };
  if (told("protocol").empty()) return std::nullopt;
  std::string perplexity = Number(metric("perplexity"));
  const auto a_word = result.Value(name + "/word_perplexity");
  if (a_word) perplexity += " (a word: " + Number(*a_word) + ")";
  return {{told("protocol") + ", " + told("settings"), perplexity, Number(metric("stderr")),
           Rounded(metric("tokens")),
           Rounded(metric("context_least")) + " / " + Rounded(metric("context_mean")), told("bos"),
           told("rule")}};
}

}  // namespace

std::string TextTable::ToMarkdown() const {
  std::vector<std::size_t> widths;
  for (const std::string& cell : header) widths.push_back(std::max<std::size_t>(Width(cell), 3));
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      text += " " + cells[i] + std::string(widths[i] - Width(cells[i]), ' ') + " |";
    }
    return text + "\n";
  };
  std::string text = title.empty() ? "" : title + "\n\n";
  text += line(header) + "|";
  for (std::size_t i = 0; i < widths.size(); ++i) {
    text += std::string(widths[i] + 1, '-') + (i == 0 ? "-|" : ":|");
  }
  text += "\n";
  for (const auto& row : rows) text += line(row);
  return text;
}

TextTable MakeTable(const Experiment& experiment, const TableSpec& spec,
                    const std::vector<RunOutcome>& outcomes) {
  std::vector<std::string> columns;
  std::vector<std::string> rows;
  std::map<std::pair<std::string, std::string>, Cell> cells;
  const auto place = [](std::vector<std::string>* list, const std::string& label) {
    if (std::find(list->begin(), list->end(), label) == list->end()) list->push_back(label);
  };
  for (const PlannedRun& run : experiment.runs) {
    const std::string row = RowLabel(experiment, run, spec);
    const std::string column = spec.columns.empty() ? spec.value : run.labels.at(spec.columns);
    place(&rows, row);
    place(&columns, column);
    cells[{row, column}].Add(FindOutcome(outcomes, run.id), spec.value);
  }
  TextTable table;
  table.title = spec.value;
  table.header = {spec.columns.empty() ? spec.rows : spec.rows + " \\ " + spec.columns};
  table.header.insert(table.header.end(), columns.begin(), columns.end());
  for (const std::string& row : rows) {
    auto& line = table.rows.emplace_back(1, row);
    for (const std::string& column : columns) line.push_back(cells[{row, column}].Text());
  }
  return table;
}

TextTable MakeOverview(const Experiment& experiment, const std::vector<RunOutcome>& outcomes) {
  std::vector<std::string> metrics;
  for (const RunOutcome& outcome : outcomes) {
    for (const auto& [name, value] : outcome.result.metrics) {
      if (Headline(name) && std::find(metrics.begin(), metrics.end(), name) == metrics.end()) {
        metrics.push_back(name);
      }
    }
  }
  for (const char* name : {"model/bits_per_weight", "cost/seconds", "cost/peak_gib"}) {
    metrics.emplace_back(name);
  }
  TextTable table;
  table.header = {"run"};
  table.header.insert(table.header.end(), metrics.begin(), metrics.end());
  std::vector<std::string> order;
  std::map<std::string, std::vector<Cell>> points;
  for (const PlannedRun& run : experiment.runs) {
    const std::string label = PointLabel(experiment, run);
    const auto [point, added] = points.emplace(label, std::vector<Cell>(metrics.size()));
    if (added) order.push_back(label);
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      point->second[i].Add(FindOutcome(outcomes, run.id), metrics[i]);
    }
  }
  for (const std::string& label : order) {
    auto& line = table.rows.emplace_back(1, label);
    for (const Cell& cell : points.at(label)) line.push_back(cell.Text());
  }
  constexpr std::size_t kWide = 8;  // columns a terminal has room for
  return table.header.size() > std::max(kWide, table.rows.size()) ? Turned(table) : table;
}

std::vector<TextTable> MakeProtocolTables(const Experiment& experiment,
                                          const std::vector<RunOutcome>& outcomes) {
  for (const PlannedRun& run : experiment.runs) {
    const RunOutcome* outcome = FindOutcome(outcomes, run.id);
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
               {"protocol", "perplexity", "±", "tokens", "context least / mean", "BOS",
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
