#pragma once

#include <string>

#include "experiments/run_config.h"
#include "experiments/run_file.h"

namespace roundlab {

struct ExecuteOptions {
  std::string folder;  ///< of the run; made by the caller
  bool quiet = false;
};

/// Does one run in this process: rounds, measures, writes run.h5, then run.json with status
/// complete. A run that was stopped goes on where its checkpoint/ ends. Throws Interrupted, or
/// Error for whatever is wrong with model, data or machine; run.json is then not written.
RunResult ExecuteRun(const RunConfig& config, const ExecuteOptions& options);

}  // namespace roundlab
