#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/metrics/provenance.h"

namespace roundlab {

/// run.json: what a run measured, in short. See design: metrics are "<eval name>/<metric>". A
/// metric that was not measured is not there; one that came out as nan or inf stands there as such
/// a text.
struct RunResult {
  std::string id;
  std::string status;  ///< complete | failed
  std::string reason;  ///< of a failure
  std::string config;  ///< canonical YAML
  Provenance provenance;
  std::map<std::string, double> metrics;
  std::map<std::string, double> timing;  ///< seconds
  std::map<std::string, double> memory;  ///< bytes
  std::string codes_sha256;

  /// "wikitext2/perplexity" of metrics; "cost/seconds", "cost/tune_seconds", "cost/peak_gib" (of
  /// the GPU where one computed); the mean of several (MetricsOf) where all are there.
  std::optional<double> Value(const std::string& name) const;
};

void WriteRunResult(const std::string& path, const RunResult& result);
/// Throws Error where the file is missing or broken.
RunResult ReadRunResult(const std::string& path);

}  // namespace roundlab
