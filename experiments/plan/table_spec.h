#pragma once

#include <string>
#include <vector>

#include "core/config/fields.h"
#include "core/config/value_fields.h"

namespace roundlab {

struct Axis {
  std::string name;
  std::vector<std::string> labels;
};

/// A table of an experiment: rows x columns x value, mean over seeds with its 95 % interval.
struct TableSpec {
  std::string title;    ///< empty: the value's name
  std::string rows;     ///< name of an axis
  std::string columns;  ///< name of an axis; empty: one column
  /// Metric: "wikitext2/perplexity", "cost/seconds", "cost/peak_gib", ...; several joined by " + "
  /// (in a file a sequence) stand for their mean.
  std::string value;
  std::string compare_to;  ///< label of `rows` that all others are tested against; empty: none
  void Fields(FieldVisitor& f);
  const std::string& Title() const { return title.empty() ? value : title; }
};

/// A metric, or a sequence of metrics whose mean is meant.
class MetricField : public ValueField {
 public:
  explicit MetricField(std::string* value) : value_(value) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override;
  std::string Write() const override { return QuoteScalar(*value_); }
  std::string Type() const override { return "text, or sequence of texts: their mean"; }

 private:
  std::string* value_;
};

/// The axis of that name; null where there is none.
const Axis* FindAxis(const std::vector<Axis>& axes, const std::string& name);
/// The axis of that name; where there is none, null and a diagnostic at `place`.
const Axis* FindAxis(const std::vector<Axis>& axes, const std::string& name,
                     const Diagnostic& place, std::vector<Diagnostic>* diagnostics);

/// The metrics that a value names: more than one where it is a mean.
std::vector<std::string> MetricsOf(const std::string& value);

/// Says where a table names an axis, label or metric that is not there. `metrics`: null where what
/// is measured is not known. `place`: of the table, with its path in the file as message.
void CheckTable(const TableSpec& table, const std::vector<Axis>& axes,
                const std::vector<std::string>* metrics, const Diagnostic& place,
                std::vector<Diagnostic>* diagnostics);
/// The same for a value alone; `place` is that of the value.
void CheckMetric(const std::string& value, const std::vector<std::string>& metrics,
                 const Diagnostic& place, std::vector<Diagnostic>* diagnostics);

}  // namespace roundlab
