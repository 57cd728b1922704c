#pragma once

#include <string>
#include <vector>

#include "core/config/node.h"

namespace roundlab {

/// What an experiment and its folder in --out are called: `name` of `root`, else the names of the
/// file's folder and of the file ("lab-base" of lab/base.yaml). Says what can't name a folder.
std::string ExperimentName(const ConfigNode& root, const std::string& file,
                           std::vector<Diagnostic>* diagnostics);

}  // namespace roundlab
