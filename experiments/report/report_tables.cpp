#include "experiments/report/report_tables.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "experiments/tables/ablation.h"
#include "experiments/tables/cell.h"
#include "experiments/tables/reproduce.h"
#include "experiments/tables/table.h"

namespace roundlab {
namespace {

constexpr std::size_t kMostPlaces = 3;  // of a run that several points share
constexpr std::size_t kMostValues = 8;  // of an entry of the provenance

/// Each run has its own of these, in its folder's run.json.
const std::set<std::string>& OwnEntries() {
  static const std::set<std::string> kNames = {"config", "run_id", "seed", "started"};
  return kNames;
}

std::string Places(const ReportRun& run) {
  std::string text;
  const std::size_t shown = std::min(run.places.size(), kMostPlaces);
  for (std::size_t i = 0; i < shown; ++i) text += (i == 0 ? "" : "; ") + run.places[i];
  if (run.places.size() > shown) {
    text += "; and " + std::to_string(run.places.size() - shown) + " more";
  }
  return text;
}

std::string ShortText(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

/// What a point's budget of bits was spent on: layers of each kind by their bits, and the bits of
/// each in the order of blocks.
TextTable BudgetTable(const ReportPoint& point) {
  std::set<double> choices;
  for (const auto& [kind, blocks] : point.details.budget_bits) {
    for (const auto& [block, bits] : blocks) choices.insert(bits);
  }
  TextTable table;
  table.title = "Bits by layer" + (point.label.empty() ? "" : ": " + point.label);
  table.header = {"layer"};
  for (const double bits : choices) table.header.push_back(ShortText(bits) + " bits");
  table.header.insert(table.header.end(), {"mean", "block by block"});
  for (const auto& [kind, blocks] : point.details.budget_bits) {
    std::map<double, std::size_t> counts;
    double sum = 0;
    std::string all;
    for (const auto& [block, bits] : blocks) {
      ++counts[bits];
      sum += bits;
      all += (all.empty() ? "" : " ") + ShortText(bits);
    }
    auto& row = table.rows.emplace_back();
    row = {kind};
    for (const double bits : choices) row.push_back(std::to_string(counts[bits]));
    row.push_back(ShortText(sum / static_cast<double>(blocks.size())));
    row.push_back(all);
  }
  table.notes = {
      "Of the layers whose bits quant.budget decided; scales and zero points come on top."};
  return table;
}

std::vector<TextTable> BudgetTables(const ReportData& data) {
  std::vector<TextTable> tables;
  for (const ReportPoint& point : data.points) {
    if (!point.details.budget_bits.empty()) tables.push_back(BudgetTable(point));
  }
  return tables;
}

/// What was handled in the runs of each point, and in each that failed; none where nothing was.
std::vector<TextTable> HandledTables(const ReportData& data) {
  using Counts = std::map<std::string, double>;
  std::vector<std::pair<std::string, Counts>> all;
  for (const ReportPoint& point : data.points) all.emplace_back(point.label, point.details.handled);
  for (const ReportRun& run : data.runs) {
    all.emplace_back(run.places.front() + ", which failed", run.details.handled);
  }
  std::set<std::string> seen;
  for (const auto& [label, handled] : all) {
    for (const auto& [event, count] : handled) seen.insert(event);
  }
  if (seen.empty()) return {};
  TextTable table;
  table.title = "What was handled";
  table.header = {"run"};
  for (const std::string& event : seen) table.header.emplace_back(HandledEvents().at(event));
  for (const auto& [label, handled] : all) {
    if (handled.empty()) continue;
    auto& row = table.rows.emplace_back();
    row = {label};
    for (const std::string& event : seen) {
      const auto found = handled.find(event);
      row.push_back(found == handled.end() ? "-" : ShortText(found->second));
    }
  }
  table.notes = {"How often in a run, means over seeds; a run's run.h5 and log say where."};
  return {table};
}

}  // namespace

std::vector<TextTable> ResultTables(const ReportData& data) {
  const auto outcomes = data.Outcomes();
  std::vector<TextTable> tables;
  for (const TableSpec& spec : data.experiment.tables) {
    tables.push_back(MakeTable(data.experiment, spec, outcomes));
  }
  const auto add = [&](std::vector<TextTable> more) {
    for (TextTable& table : more) tables.push_back(std::move(table));
  };
  add(MakeAblationTables(data.experiment, outcomes));
  if (data.experiment.targets) {
    const auto compared = CompareWithTargets(data.experiment, outcomes);
    tables.push_back(MakeTargetTable(data.experiment, compared));
  }
  tables.push_back(MakeOverview(data.experiment, outcomes));
  if (tables.back().title.empty()) tables.back().title = "Overview";
  add(MakeProtocolTables(data.experiment, outcomes));
  add(BudgetTables(data));
  add(HandledTables(data));
  return tables;
}

TextTable RunTable(const ReportData& data) {
  auto metrics = HeadlineMetrics(data.Outcomes());
  metrics.emplace_back("cost/seconds");
  TextTable table;
  table.header = {"id", "state", "place in the plan"};
  table.header.insert(table.header.end(), metrics.begin(), metrics.end());
  for (const ReportRun& run : data.runs) {
    auto& row = table.rows.emplace_back();
    row = {run.outcome.id, StateText(run.state), Places(run)};
    for (const std::string& metric : metrics) {
      const auto value = run.state == ReportState::kDone ? run.outcome.result.Value(metric)
                                                         : std::optional<double>();
      row.push_back(value ? FormatNumber(*value) : "-");
    }
  }
  return table;
}

TextTable ProvenanceTable(const ReportData& data) {
  std::map<std::string, std::map<std::string, std::size_t>> counts;
  for (const ReportRun& run : data.runs) {
    if (run.state != ReportState::kDone) continue;
    for (const auto& [name, value] : run.outcome.result.provenance) {
      if (OwnEntries().count(name) == 0) ++counts[name][value];
    }
  }
  TextTable table;
  table.header = {"entry", "value", "runs"};
  for (const auto& [name, values] : counts) {
    std::vector<std::pair<std::size_t, std::string>> by_count;
    for (const auto& [value, count] : values) by_count.emplace_back(count, value);
    std::stable_sort(by_count.begin(), by_count.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    for (std::size_t i = 0; i < std::min(by_count.size(), kMostValues); ++i) {
      table.rows.push_back({name, by_count[i].second, std::to_string(by_count[i].first)});
    }
    if (by_count.size() > kMostValues) {
      table.rows.push_back(
          {name, "and " + std::to_string(by_count.size() - kMostValues) + " more values", ""});
    }
  }
  return table;
}

std::string Summary(const ReportData& data) {
  std::string text = std::to_string(data.runs.size()) + (data.runs.size() == 1 ? " run" : " runs");
  const char* separator = ": ";
  for (const ReportState state :
       {ReportState::kDone, ReportState::kFailed, ReportState::kUnreadable,
        ReportState::kUnfinished, ReportState::kNotRun}) {
    const std::size_t count = data.Count(state);
    if (count == 0) continue;
    text += separator + std::to_string(count) + " " + StateText(state);
    separator = ", ";
  }
  return text;
}

std::string Commits(const ReportData& data) {
  std::set<std::string> commits;
  for (const ReportRun& run : data.runs) {
    const auto found = run.outcome.result.provenance.find("commit");
    if (found != run.outcome.result.provenance.end()) commits.insert(found->second);
  }
  std::string text;
  for (const std::string& commit : commits) text += (text.empty() ? "" : ", ") + commit;
  return text;
}

}  // namespace roundlab
