#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiments/plan/axes.h"
#include "experiments/plan/plot_spec.h"
#include "experiments/plan/run_config.h"
#include "experiments/plan/table_spec.h"
#include "experiments/plan/targets.h"

namespace roundlab {

/// A point of the plan: a run and the place it has on each axis. Points with equal configs share a
/// run.
struct PlannedRun {
  std::string id;
  RunConfig config;
  std::map<std::string, std::string> labels;  ///< axis -> label
  std::int64_t seed = 0;                      ///< as listed, also where the run draws nothing
};

/// A base config, axes, seeds and tables. Pure: reading one opens no model and no data.
struct Experiment {
  std::string name;  ///< folder of its results: key `name`, else FOLDER-FILE of the YAML file
  std::vector<Axis> axes;
  std::vector<PlannedRun> runs;  ///< product of axes and seeds, in order
  std::vector<TableSpec> tables;
  std::vector<PlotSpec> plots;       ///< of the report, besides those that it has of itself
  std::optional<Ablation> ablation;  ///< its axis is the last of `axes`
  std::optional<Targets> targets;    ///< published figures
  /// The file with all that it extends and the overrides, as YAML: LoadExperiment reads it back.
  std::string resolved;
};

/// Labels of a point on all axes, "W4G128, signround"; without axes the experiment's name.
std::string PointLabel(const Experiment& experiment, const PlannedRun& run);

/// "rtn, W4G128, seed 1": how a run is called in messages.
std::string RunTitle(const Experiment& experiment, const PlannedRun& run);

/// "piqa/acc", "cost/seconds", ...: all that some run of the plan measures, sorted.
std::vector<std::string> MeasuredMetrics(const Experiment& experiment);

/// Whether a file's content is a training (`roundlab train`): it has keys that no experiment has.
bool IsTraining(const ConfigNode& root);

/// Reads FILE with what it extends and the overrides of the command line, and plans all runs.
/// Throws ConfigError with everything that is wrong in any run.
Experiment LoadExperiment(const std::string& file, const std::vector<std::string>& overrides);

/// Leaves the runs that match all of `only`, each "AXIS=LABEL[,LABEL...]". Throws Error where an
/// axis or label is not there.
void KeepOnly(const std::vector<std::string>& only, Experiment* experiment);

}  // namespace roundlab
