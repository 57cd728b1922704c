#include "experiments/plan/table_spec.h"

#include <algorithm>

#include "core/base/suggest.h"

namespace roundlab {
namespace {

constexpr const char* kAnd = " + ";

}  // namespace

void MetricField::Read(const ConfigNode& node, const std::string& path,
                       std::vector<Diagnostic>* diagnostics) {
  value_->clear();
  if (node.kind == ConfigNode::Kind::kScalar) *value_ = node.scalar;
  for (const ConfigNode& element : node.elements) {
    *value_ += (value_->empty() ? "" : kAnd) + element.scalar;
  }
  if (!value_->empty()) return;
  diagnostics->push_back({node.where, path + ": expected a metric or a sequence of metrics"});
}

const Axis* FindAxis(const std::vector<Axis>& axes, const std::string& name) {
  const auto found =
      std::find_if(axes.begin(), axes.end(), [&](const Axis& axis) { return axis.name == name; });
  return found == axes.end() ? nullptr : &*found;
}

const Axis* FindAxis(const std::vector<Axis>& axes, const std::string& name,
                     const Diagnostic& place, std::vector<Diagnostic>* diagnostics) {
  if (const Axis* found = FindAxis(axes, name)) return found;
  std::vector<std::string> names;
  for (const Axis& axis : axes) names.push_back(axis.name);
  diagnostics->push_back({place.where, place.message + ": unknown axis '" + name + "'" +
                                           SuggestionSuffix(name, names)});
  return nullptr;
}

void TableSpec::Fields(FieldVisitor& f) {
  f.String("title", &title, "above the table; none: the value's name");
  f.String("rows", &rows, "axis down", Presence::kRequired);
  f.String("columns", &columns, "axis across; none is one column");
  MetricField value_field(&value);
  f.Value("value", value_field, "metric in the cells", Presence::kRequired);
  f.String("compare_to", &compare_to, "row that the others are tested against");
}

std::vector<std::string> MetricsOf(const std::string& value) {
  std::vector<std::string> metrics;
  const std::string separator = kAnd;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = value.find(separator, begin);
    metrics.push_back(value.substr(begin, end - begin));
    if (end == std::string::npos) return metrics;
    begin = end + separator.size();
  }
}

void CheckTable(const TableSpec& table, const std::vector<Axis>& axes,
                const std::vector<std::string>* metrics, const Diagnostic& place,
                std::vector<Diagnostic>* diagnostics) {
  const auto at = [&](const char* key) { return Diagnostic{place.where, place.message + key}; };
  const Axis* rows = FindAxis(axes, table.rows, at(".rows"), diagnostics);
  if (!table.columns.empty()) FindAxis(axes, table.columns, at(".columns"), diagnostics);
  if (metrics != nullptr) CheckMetric(table.value, *metrics, at(".value"), diagnostics);
  if (table.columns == table.rows) {
    diagnostics->push_back(
        {place.where, place.message + ".columns: '" + table.rows + "' is the axis of the rows"});
  }
  if (table.compare_to.empty() || rows == nullptr) return;
  const auto& labels = rows->labels;
  if (std::find(labels.begin(), labels.end(), table.compare_to) != labels.end()) return;
  diagnostics->push_back({place.where, place.message + ".compare_to: axis '" + table.rows +
                                           "' has no '" + table.compare_to + "'" +
                                           SuggestionSuffix(table.compare_to, labels)});
}

void CheckMetric(const std::string& value, const std::vector<std::string>& metrics,
                 const Diagnostic& place, std::vector<Diagnostic>* diagnostics) {
  for (const std::string& metric : MetricsOf(value)) {
    if (std::find(metrics.begin(), metrics.end(), metric) != metrics.end()) continue;
    diagnostics->push_back({place.where, place.message + ": no run measures '" + metric + "'" +
                                             SuggestionSuffix(metric, metrics)});
  }
}

}  // namespace roundlab
