#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/metrics/metric_sink.h"

namespace roundlab {

/// All measurements of a run, in memory: what run.h5 is written from, and what a resumed run takes
/// up.
class RunRecord : public MetricSink {
 public:
  struct Series {
    std::vector<std::int64_t> steps;
    std::vector<double> values;
  };
  struct ArrayValue {
    std::vector<std::int64_t> shape;
    std::vector<double> values;
  };

  void Record(std::string_view series, std::int64_t step, double value) override;
  void Array(std::string_view name, std::vector<std::int64_t> shape,
             std::vector<double> values) override;

  const std::map<std::string, Series, std::less<>>& series() const { return series_; }
  const std::map<std::string, ArrayValue, std::less<>>& arrays() const { return arrays_; }

  /// Everything of `sink`'s kind again, in order of names.
  void Replay(MetricSink* sink) const;
  /// Parts whose name starts with `prefix`.
  RunRecord Under(const std::string& prefix) const;

  /// A text that Parse reads back to the same numbers, bit for bit (one part a line).
  std::string Serialize() const;
  /// Throws Error where `text` is not Serialize()'s; `file` is for the message.
  static RunRecord Parse(const std::string& text, const std::string& file);

 private:
  std::map<std::string, Series, std::less<>> series_;
  std::map<std::string, ArrayValue, std::less<>> arrays_;
};

/// Gives each measurement to two sinks.
class TeeSink : public MetricSink {
 public:
  TeeSink(MetricSink* first, MetricSink* second) : first_(first), second_(second) {}
  void Record(std::string_view series, std::int64_t step, double value) override {
    first_->Record(series, step, value);
    second_->Record(series, step, value);
  }
  void Array(std::string_view name, std::vector<std::int64_t> shape,
             std::vector<double> values) override {
    first_->Array(name, shape, values);
    second_->Array(name, std::move(shape), std::move(values));
  }

 private:
  MetricSink* first_;
  MetricSink* second_;
};

}  // namespace roundlab
