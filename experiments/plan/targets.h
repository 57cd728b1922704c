#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "experiments/plan/table_spec.h"

namespace roundlab {

/// How far a figure may be from the published one. The first rule that matches counts.
struct ToleranceRule {
  std::string axis;                 ///< empty: matches everything
  std::vector<std::string> labels;  ///< of that axis
  double digits = 0.5;              ///< in units of the last printed digit
  double relative = 0;              ///< of the published figure
  double errors = 0;                ///< standard errors of our measurement
  void Fields(FieldVisitor& f);
};

/// Published figures as data. In a file:
///   targets:
///     file: acc11.csv              # beside the YAML; first line names the columns
///     source: arXiv 2309.05516, appendix
///     scale: 100                   # the file's figures are so many times ours
///     axes: {model: model, config: width, method: method}       # column -> axis
///     labels: {method: {FP16: fp, Ours: signround}, width: {FP16: "*"}}   # text -> label, * any
///     absent: {method: {AWQ: "no such scheme in Roundlab"}}               # told, not compared
///     metrics: {piqa: piqa/acc, avg: [piqa/acc, boolq/acc]}     # column -> metric, or their mean;
///                                                               # ~ leaves a column out
///     tolerance: [{axis: method, labels: [fp, rtn]}, {relative: 0.015, errors: 2}]
struct TargetCell {
  std::map<std::string, std::string> labels;  ///< axis -> label; an axis that is not there: any
  std::string row;                            ///< "Mistral-7B, W4G128, Ours"
  std::string column;                         ///< "piqa"
  std::vector<std::string> metrics;           ///< their mean is compared
  std::string printed;                        ///< "61.35"; "" or "-": not available
  std::string absent;                         ///< why Roundlab has no such run
};

struct Targets {
  std::string file;
  std::string source;
  double scale = 1;
  std::vector<ToleranceRule> rules;
  std::vector<TargetCell> cells;
};

/// What the plan offers to a target.
struct TargetContext {
  const std::vector<Axis>& axes;
  const std::vector<std::string>& metrics;  ///< that some run measures
};

/// Reads the section and its file. Appends what is wrong: a file, column, axis, label or metric
/// that is not there.
Targets ReadTargets(const ConfigNode& section, const TargetContext& context,
                    std::vector<Diagnostic>* diagnostics);

}  // namespace roundlab
