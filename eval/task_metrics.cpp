#include "eval/task_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "core/base/statistics.h"

namespace roundlab {
namespace {

std::int64_t Largest(const std::vector<double>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

/// Place of the largest log-likelihood a code point of the choice.
std::int64_t LargestByLength(const TaskDocument& document, const std::vector<double>& loglik) {
  std::vector<double> each;
  for (std::size_t i = 0; i < loglik.size(); ++i) {
    each.push_back(loglik[i] / static_cast<double>(CodePoints(document.Choice(i))));
  }
  return Largest(each);
}

/// sum of exp(loglik) over the true choices / over all.
double TrueShare(const TaskDocument& document, const std::vector<double>& loglik) {
  const double top = *std::max_element(loglik.begin(), loglik.end());
  double truth = 0;
  double all = 0;
  for (std::size_t i = 0; i < loglik.size(); ++i) {
    const double share = std::exp(loglik[i] - top);
    all += share;
    truth += document.truths[i] ? share : 0;
  }
  return truth / all;
}

double ValueOf(TaskMetric metric, const TaskDocument& document, const DocumentScores& scores) {
  if (metric == TaskMetric::kPerplexity) return scores.loglik.front();
  if (!scores.Finite()) return kUndefined;
  if (metric == TaskMetric::kGreedy) return scores.greedy ? 1 : 0;
  if (metric == TaskMetric::kAcc) return Largest(scores.loglik) == document.gold ? 1 : 0;
  if (metric == TaskMetric::kAccNorm) {
    return LargestByLength(document, scores.loglik) == document.gold ? 1 : 0;
  }
  return TrueShare(document, scores.loglik);
}

struct Column {
  std::vector<double> values;
  std::vector<std::string> groups;
};

struct GroupFigures {
  double mean = 0;          ///< plain mean of the groups' means
  double error = 0;         ///< of it
  double pooled_error = 0;  ///< of the mean over documents
};

GroupFigures FiguresOfGroups(const Column& column) {
  std::map<std::string, std::vector<double>> groups;
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    groups[column.groups[i]].push_back(column.values[i]);
  }
  std::vector<double> means;
  double variance = 0;
  double squares = 0;
  for (const auto& [name, values] : groups) {
    means.push_back(Mean(values));
    variance += StandardError(values) * StandardError(values);
    const double spread = StandardDeviation(values);
    squares += static_cast<double>(values.size() - 1) * spread * spread;
  }
  const auto count = static_cast<double>(column.values.size());
  const auto width = static_cast<double>(means.size());
  return {Mean(means), std::sqrt(variance) / width, std::sqrt(squares / (count - width) / count)};
}

void AddMean(const std::string& name, const Column& column, bool grouped, Harness harness,
             std::map<std::string, double>* metrics) {
  (*metrics)[name] = Mean(column.values);
  (*metrics)[name + "_stderr"] = StandardError(column.values);
  if (!grouped) return;
  const GroupFigures groups = FiguresOfGroups(column);
  (*metrics)[name + "_document_mean"] = (*metrics)[name];
  (*metrics)[name + "_group_mean"] = groups.mean;
  (*metrics)[name + "_pooled_stderr"] = groups.pooled_error;
  if (harness != Harness::kLmEval03) return;
  (*metrics)[name] = groups.mean;
  (*metrics)[name + "_stderr"] = groups.error;
}

void WriteArrays(const std::vector<TaskDocument>& documents,
                 const std::vector<DocumentScores>& scores, const std::string& place,
                 MetricSink* sink) {
  const auto count = static_cast<std::int64_t>(documents.size());
  std::size_t width = 1;
  for (const TaskDocument& document : documents) width = std::max(width, document.Count());
  std::vector<double> loglik;
  std::vector<double> prediction;
  std::vector<double> gold;
  std::vector<double> not_finite;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const std::vector<double>& of = scores[i].loglik;
    for (std::size_t c = 0; c < width; ++c) loglik.push_back(c < of.size() ? of[c] : kUndefined);
    not_finite.push_back(scores[i].Finite() ? 0 : 1);
    const bool none = scores[i].Refused() || !scores[i].Finite();
    prediction.push_back(none ? kUndefined : static_cast<double>(Largest(of)));
    gold.push_back(static_cast<double>(documents[i].gold));
  }
  sink->Array(place + "/choice_loglik", {count, static_cast<std::int64_t>(width)}, loglik);
  sink->Array(place + "/prediction", {count}, prediction);
  sink->Array(place + "/gold", {count}, gold);
  if (Mean(not_finite) > 0) sink->Array(place + "/not_finite", {count}, not_finite);
}

}  // namespace

bool DocumentScores::Finite() const {
  return std::all_of(loglik.begin(), loglik.end(), [](double x) { return std::isfinite(x); });
}

std::map<std::string, double> TaskMetrics(const TaskOptions& task,
                                          const std::vector<TaskDocument>& documents,
                                          const std::vector<DocumentScores>& scores,
                                          const TaskMetricsOptions& options,
                                          const std::string& place, MetricSink* sink) {
  static const std::map<TaskMetric, std::string> kArrays = {{TaskMetric::kAcc, "correct"},
                                                            {TaskMetric::kGreedy, "correct"},
                                                            {TaskMetric::kAccNorm, "correct_norm"},
                                                            {TaskMetric::kMc2, "mc2"}};
  std::map<std::string, double> metrics;
  WriteArrays(documents, scores, place, sink);
  const auto count = static_cast<std::int64_t>(documents.size());
  for (const TaskMetric metric : task.metrics) {
    const std::string name = NameInResults(metric);
    Column column;
    std::vector<double> all;
    const bool wrong = options.refused_is_wrong && metric != TaskMetric::kPerplexity;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      const bool refused = scores[i].Refused();
      all.push_back(refused ? (wrong ? 0 : kUndefined) : ValueOf(metric, documents[i], scores[i]));
      if (refused && !wrong) continue;
      column.values.push_back(all.back());
      column.groups.push_back(documents[i].group);
    }
    if (column.values.empty()) throw Error("every document is refused");
    if (metric == TaskMetric::kPerplexity) {
      metrics[name] = std::exp(-Mean(column.values));
      metrics[name + "_stderr"] = metrics[name] * StandardError(column.values);
      continue;
    }
    AddMean(name, column, !task.group.empty(), options.harness, &metrics);
    sink->Array(place + "/" + kArrays.at(metric), {count}, std::move(all));
  }
  return metrics;
}

}  // namespace roundlab
