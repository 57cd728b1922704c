#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/plan/run_config.h"

namespace roundlab {

/// The user's own texts and tasks that a run's figures depend on, as its provenance has them:
/// "files//home/me/task.yaml" -> SHA-256. A run's id has their paths only. Throws Error for a file
/// that can't be read.
std::map<std::string, std::string> OwnFiles(const RunConfig& run);

/// Of such a provenance the paths of files that are there and say something else now.
std::vector<std::string> ChangedFiles(const std::map<std::string, std::string>& provenance);

}  // namespace roundlab
