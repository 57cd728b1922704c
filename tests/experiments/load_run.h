#pragma once

#include <string>

#include "experiments/plan/experiment.h"
#include "tests/core/formats/format_files.h"

namespace roundlab::testing {

/// The first run of an experiment of this text.
inline RunConfig LoadRun(const std::string& yaml) {
  const TempFolder folder;
  return LoadExperiment(folder.Write("e.yaml", yaml), {}).runs.at(0).config;
}

}  // namespace roundlab::testing
