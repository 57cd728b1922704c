#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/run/outcome.h"

namespace roundlab {

/// The texts and tasks that a run's figures depend on, as its provenance has them:
/// "files//home/me/task.yaml" -> SHA-256. What is built in is not among them. A run's id has their
/// names only. Throws Error for a file that can't be read.
std::map<std::string, std::string> InputFiles(const RunConfig& run);

/// What complete runs were made of that says something else now, a line each: "run 12ab was made by
/// another /home/me/task.yaml: remove its folder to make it again". Texts, tasks and models whose
/// files are newer than the run are looked into; plug-ins that are open.
std::vector<std::string> ChangedInputs(const Experiment& experiment,
                                       const std::vector<RunOutcome>& outcomes);

}  // namespace roundlab
