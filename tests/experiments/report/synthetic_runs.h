#pragma once

#include <cstddef>
#include <string>

namespace roundlab::testing {

/// A folder as `roundlab run` leaves it, without running anything: FOLDER/experiment.yaml with the
/// axes `width` (W4, W3, ...), `method` (fp, rtn, signround, "<b>&bold</b>") and the seeds, and
/// each run's files with made-up numbers. Seven kinds of layers, 200 steps.
struct SyntheticRuns {
  std::size_t widths = 2;
  std::size_t seeds = 3;
  std::size_t blocks = 2;
  void Write(const std::string& folder) const;
};

}  // namespace roundlab::testing
