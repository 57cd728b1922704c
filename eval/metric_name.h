#pragma once

#include <string>

#include "core/text/data/dataset.h"

namespace roundlab {

/// What is wrong with the name of an evaluator's metrics, or "".
std::string NameProblem(const std::string& name);

/// Evaluators' metrics are called by the label of their data and `suffix` where nobody says how.
/// Where a path makes no such name ("../a.jsonl.gz") its file's does, without endings ("a"): that,
/// or "" where the label will do.
std::string NameOfFile(const DataSource& data, const std::string& suffix);

}  // namespace roundlab
