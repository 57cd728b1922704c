#include "experiments/tables/reproduce.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "core/base/statistics.h"
#include "experiments/run/json_number.h"
#include "experiments/tables/cell.h"

namespace roundlab {
namespace {

/// Below 0 where a power of ten takes digits away.
int Decimals(const std::string& printed) {
  const std::size_t end = std::min(printed.find_first_of("eE"), printed.size());
  const std::size_t point = std::min(printed.find('.'), end);
  const std::size_t after = end - std::min(point + 1, end);
  const int power = end == printed.size() ? 0 : std::stoi(printed.substr(end + 1));
  return static_cast<int>(after) - power;
}

bool Matches(const TargetCell& cell, const PlannedRun& run) {
  return std::all_of(cell.labels.begin(), cell.labels.end(), [&](const auto& entry) {
    const auto found = run.labels.find(entry.first);
    return found != run.labels.end() && found->second == entry.second;
  });
}

const ToleranceRule* RuleFor(const Targets& targets, const TargetCell& cell) {
  for (const ToleranceRule& rule : targets.rules) {
    if (rule.axis.empty()) return &rule;
    const auto label = cell.labels.find(rule.axis);
    if (label == cell.labels.end()) continue;
    if (std::find(rule.labels.begin(), rule.labels.end(), label->second) != rule.labels.end()) {
      return &rule;
    }
  }
  return nullptr;
}

/// The mean of some metrics of a run and its standard error, by the evaluation.
std::optional<std::pair<double, double>> Measured(const RunResult& result,
                                                  const std::vector<std::string>& metrics) {
  double sum = 0;
  double squares = 0;
  for (const std::string& metric : metrics) {
    const auto value = result.Value(metric);
    if (!value) return std::nullopt;
    sum += *value;
    auto error = result.Value(metric + "_stderr");
    const std::size_t slash = metric.rfind('/');
    if (!error && metric.substr(slash + 1) == "perplexity") {
      error = result.Value(metric.substr(0, slash) + "/stderr");
    }
    const double of_it = error.value_or(0);
    squares += std::isfinite(of_it) ? of_it * of_it : 0;
  }
  const auto count = static_cast<double>(metrics.size());
  return std::pair{sum / count, std::sqrt(squares) / count};
}

class TargetComparer {
 public:
  TargetComparer(const Experiment& experiment, const std::vector<RunOutcome>& outcomes)
      : experiment_(experiment), targets_(*experiment.targets), by_id_(ById(outcomes)) {}

  TargetResult Compare(const TargetCell& cell) const {
    TargetResult result;
    result.cell = &cell;
    const bool known = !cell.printed.empty() && cell.printed != "-";
    result.published = known ? std::stod(cell.printed) : kUndefined;
    result.ours = result.tolerance = kUndefined;
    if (!cell.absent.empty()) {
      result.verdict = TargetVerdict::kAbsent;
      return result;
    }
    Measure(cell, &result);
    if (!known && result.verdict == TargetVerdict::kWithin) {
      result.verdict = TargetVerdict::kNotAvailable;
    }
    if (result.verdict == TargetVerdict::kWithin) {
      const bool near = std::isfinite(result.ours) &&
                        std::fabs(result.ours - result.published) <= result.tolerance;
      result.verdict = near ? TargetVerdict::kWithin : TargetVerdict::kOutside;
    }
    return result;
  }

 private:
  /// Ours and the tolerance; the verdict "within" stands for "measured".
  void Measure(const TargetCell& cell, TargetResult* result) const {
    std::map<std::string, std::pair<double, double>> measured;
    bool failed = false;  // a run of the cell: the others are not its mean
    bool missing = false;
    result->verdict = TargetVerdict::kNotPlanned;
    for (const PlannedRun& run : experiment_.runs) {
      if (!Matches(cell, run)) continue;
      if (result->verdict == TargetVerdict::kNotPlanned) result->verdict = TargetVerdict::kNotRun;
      const RunOutcome* found = FindOutcome(by_id_, run.id);
      failed = failed || (found != nullptr && found->state == RunState::kFailed);
      if (found == nullptr || found->state != RunState::kDone) {
        missing = true;
        continue;
      }
      const auto value = Measured(found->result, cell.metrics);
      if (value) measured.emplace(run.id, *value);
    }
    if (failed) result->verdict = TargetVerdict::kFailed;
    if (failed || missing || measured.empty()) return;
    std::vector<double> values;
    std::vector<double> errors;
    for (const auto& [id, value] : measured) {
      values.push_back(value.first * targets_.scale);
      errors.push_back(value.second * targets_.scale);
    }
    result->verdict = TargetVerdict::kWithin;
    result->ours = Mean(values);
    const ToleranceRule none;
    const ToleranceRule* found = RuleFor(targets_, cell);
    const ToleranceRule& rule = found == nullptr ? none : *found;
    const double unit = std::pow(10.0, -Decimals(cell.printed));
    result->tolerance = rule.digits * unit * (1 + 1e-9) +
                        rule.relative * std::fabs(result->published) + rule.errors * Mean(errors);
  }

  const Experiment& experiment_;
  const Targets& targets_;
  const OutcomeIndex by_id_;
};

std::string CellText(const TargetResult& result) {
  const int decimals = std::max(2, Decimals(result.cell->printed));
  const std::string published =
      std::isnan(result.published) ? "paper: not available" : result.cell->printed;
  if (result.verdict == TargetVerdict::kNotRun) return "- (" + published + ")";
  if (!IsMeasured(result)) return VerdictName(result.verdict) + " (" + published + ")";
  const char* name = NotFiniteName(result.ours);
  return (name == nullptr ? Fixed(result.ours, decimals) : name) + " (" + published + ")" +
         (result.verdict == TargetVerdict::kOutside ? " ✗" : "");
}

std::string CountLine(const std::vector<TargetResult>& results) {
  std::map<std::pair<TargetVerdict, bool>, std::size_t> counts;  // and whether nothing is published
  for (const TargetResult& result : results) {
    const bool alone = result.verdict == TargetVerdict::kNotRun && std::isnan(result.published);
    ++counts[{result.verdict, alone}];
  }
  std::string text;
  for (const auto& [what, count] : counts) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + VerdictName(what.first) +
            (what.second ? " (paper: not available)" : "");
  }
  return text;
}

bool Shown(const TargetResult& result) {
  return result.cell->absent.empty() && result.verdict != TargetVerdict::kNotPlanned;
}

/// Rows in which something is known of a cell: a figure, ours or published, or that its run failed.
std::set<std::string> RowsWithFigures(const std::vector<TargetResult>& results) {
  std::set<std::string> rows;
  for (const TargetResult& r : results) {
    const bool known =
        !std::isnan(r.published) || IsMeasured(r) || r.verdict == TargetVerdict::kFailed;
    if (Shown(r) && known) rows.insert(r.cell->row);
  }
  return rows;
}

/// Rows and columns that have a figure of ours come first; otherwise the order stays.
void PutMeasuredFirst(const std::vector<TargetResult>& results,
                      const std::map<std::string, std::size_t>& rows,
                      const std::map<std::string, std::size_t>& columns, TextTable* table) {
  std::vector<bool> row_measured(table->rows.size());
  std::vector<bool> column_measured(table->header.size());
  column_measured[0] = true;  // labels
  for (const TargetResult& r : results) {
    const auto row = rows.find(r.cell->row);
    const auto column = columns.find(r.cell->column);
    if (std::isnan(r.ours) || row == rows.end() || column == columns.end()) continue;
    row_measured[row->second] = column_measured[column->second] = true;
  }
  const auto order = [](const std::vector<bool>& measured) {
    std::vector<std::size_t> places;
    for (const bool first : {true, false}) {
      for (std::size_t i = 0; i < measured.size(); ++i) {
        if (measured[i] == first) places.push_back(i);
      }
    }
    return places;
  };
  const TextTable before = *table;
  const std::vector<std::size_t> to_row = order(row_measured);
  const std::vector<std::size_t> to_column = order(column_measured);
  for (std::size_t c = 0; c < to_column.size(); ++c) {
    table->header[c] = before.header[to_column[c]];
    for (std::size_t r = 0; r < to_row.size(); ++r) {
      table->rows[r][c] = before.rows[to_row[r]][to_column[c]];
    }
  }
}

}  // namespace

std::vector<TargetResult> CompareWithTargets(const Experiment& experiment,
                                             const std::vector<RunOutcome>& outcomes) {
  const TargetComparer comparer(experiment, outcomes);
  std::vector<TargetResult> results;
  for (const TargetCell& cell : experiment.targets->cells)
    results.push_back(comparer.Compare(cell));
  return results;
}

TextTable MakeTargetTable(const Experiment& experiment, const std::vector<TargetResult>& results) {
  TextTable table;
  table.title = "Ours (published): " + experiment.targets->source;
  table.header = {"row"};
  std::map<std::string, std::size_t> columns;
  std::map<std::string, std::size_t> rows;
  std::map<std::string, std::string> absent;  // row -> why
  const std::set<std::string> told = RowsWithFigures(results);
  std::set<std::string> untold;
  for (const TargetResult& r : results) {
    if (!r.cell->absent.empty()) absent[r.cell->row] = r.cell->absent;
    if (!Shown(r)) continue;
    if (told.count(r.cell->row) == 0) {
      untold.insert(r.cell->row);
      continue;
    }
    if (columns.try_emplace(r.cell->column, table.header.size()).second) {
      table.header.push_back(r.cell->column);
    }
    if (rows.try_emplace(r.cell->row, table.rows.size()).second) {
      table.rows.push_back({r.cell->row});
    }
    auto& line = table.rows[rows.at(r.cell->row)];
    line.resize(std::max(line.size(), table.header.size()));
    line[columns.at(r.cell->column)] = CellText(r);
  }
  for (auto& line : table.rows) line.resize(table.header.size());
  PutMeasuredFirst(results, rows, columns, &table);
  table.notes.push_back(CountLine(results) + ".");
  if (!untold.empty()) {
    table.notes.push_back(std::to_string(untold.size()) +
                          " rows with neither a figure of ours nor a published one are left out.");
  }
  if (!absent.empty()) {
    std::map<std::string, std::size_t> reasons;
    for (const auto& [row, reason] : absent) ++reasons[reason];
    for (const auto& [reason, count] : reasons) {
      table.notes.push_back(std::to_string(count) +
                            " rows of the paper have no run here: " + reason);
    }
  }
  return table;
}

TextTable MakeLongTargetTable(const Experiment& experiment,
                              const std::vector<TargetResult>& results) {
  TextTable table;
  table.title = experiment.targets->source;
  table.header = {"row", "column", "published", "ours", "tolerance", "verdict", "note"};
  const auto number = [](double value) {
    char text[40];
    std::snprintf(text, sizeof(text), "%.10g", value);
    return std::string(NotFiniteName(value) == nullptr ? text : NotFiniteName(value));
  };
  for (const TargetResult& r : results) {
    const bool measured = IsMeasured(r);
    table.rows.push_back({r.cell->row, r.cell->column, r.cell->printed,
                          measured ? number(r.ours) : "", measured ? number(r.tolerance) : "",
                          VerdictName(r.verdict), r.cell->absent});
  }
  return table;
}

bool IsMeasured(const TargetResult& result) {
  return result.verdict == TargetVerdict::kWithin || result.verdict == TargetVerdict::kOutside ||
         result.verdict == TargetVerdict::kNotAvailable;
}

std::string VerdictName(TargetVerdict verdict) {
  switch (verdict) {
    case TargetVerdict::kWithin:
      return "within";
    case TargetVerdict::kOutside:
      return "outside";
    case TargetVerdict::kNotRun:
      return "not run";
    case TargetVerdict::kFailed:
      return "failed";
    case TargetVerdict::kAbsent:
      return "no run here";
    case TargetVerdict::kNotAvailable:
      return "paper: not available";
    case TargetVerdict::kNotPlanned:
      return "not planned";
  }
  return "";
}

}  // namespace roundlab
