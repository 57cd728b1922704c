#pragma once

#include <string>

#include "core/text/data/dataset.h"

namespace roundlab {

/// What is wrong with the name of an evaluator's metrics, or "".
std::string NameProblem(const std::string& name);

/// What an evaluator's metrics are called where nobody says: the label of its data and `suffix`.
/// A path that makes no such name ("../a.jsonl.gz") gives its file's, without endings ("a").
std::string DefaultMetricName(const DataSource& data, const std::string& suffix);

}  // namespace roundlab
