#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/metrics/metric_sink.h"
#include "eval/harness.h"
#include "eval/task.h"

namespace roundlab {

/// What the model says of a document.
struct DocumentScores {
  std::vector<double> loglik;  ///< a choice, nats; empty where the harness refuses the document
  bool greedy = false;         ///< of the first choice

  bool Refused() const { return loglik.empty(); }
  bool Finite() const;  ///< all of loglik
};

struct TaskMetricsOptions {
  Harness harness = Harness::kLmEval03;
  bool refused_is_wrong = false;  ///< else left out
};

/// The metrics that the task asks for, see ZeroShot; and per-document arrays under `place` to
/// `sink`. Throws Error where no document is left.
std::map<std::string, double> TaskMetrics(const TaskOptions& task,
                                          const std::vector<TaskDocument>& documents,
                                          const std::vector<DocumentScores>& scores,
                                          const TaskMetricsOptions& options,
                                          const std::string& place, MetricSink* sink);

}  // namespace roundlab
