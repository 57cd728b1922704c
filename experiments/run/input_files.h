#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/run/outcome.h"

namespace roundlab {

/// Files as a provenance has them: "files//home/me/task.yaml" -> SHA-256. Throws Error for one that
/// can't be read.
std::map<std::string, std::string> HashedFiles(const std::vector<std::string>& files);

/// The texts and tasks that a run's figures depend on. What is built in is not among them. A run's
/// id has their names only. Throws Error where one is missing.
std::vector<std::string> InputFiles(const RunConfig& run);

/// Of such a provenance the paths of files that are newer than `folder`'s config.yaml and say
/// something else.
std::vector<std::string> ChangedFiles(const std::map<std::string, std::string>& provenance,
                                      const std::string& folder);

/// What complete runs were made of that says something else now, a line each: "run 12ab was made by
/// another /home/me/task.yaml: remove its folder to make it again". Texts, tasks and models whose
/// files are newer than the run are looked into; plug-ins that are open.
std::vector<std::string> ChangedInputs(const Experiment& experiment,
                                       const std::vector<RunOutcome>& outcomes);

}  // namespace roundlab
