#pragma once

#include <cstdint>
#include <string>

#include "experiments/plan/run_config.h"
#include "experiments/run/run_file.h"

namespace roundlab {

struct ExecuteOptions {
  std::string folder;  ///< of the run; made by the caller
  bool quiet = false;
  double line_seconds = 20;  ///< between progress lines where stderr is no terminal
  /// For the model that is evaluated; where that takes more, its blocks are read one by one. 0:
  /// what the machine has left.
  std::int64_t memory_bytes = 0;
};

/// Does one run in this process: rounds, measures, writes run.h5, then run.json with status
/// complete; config.compute says with what. A run that was stopped goes on where its checkpoint/
/// ends, with the number of threads it began with (results depend on it in the last bits). What
/// runs share (calibration tokens, the original's hidden states of `divergence`) is kept in
/// OUT/.cache, two folders up. Throws Interrupted, or Error for whatever is wrong with model, data
/// or machine; run.json is then not written.
RunResult ExecuteRun(const RunConfig& config, const ExecuteOptions& options);

}  // namespace roundlab
