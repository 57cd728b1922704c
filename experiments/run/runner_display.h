#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "experiments/run/outcome.h"

namespace roundlab {

/// A run that is going on, and what it said last.
struct RunLine {
  const PlannedRun* run;
  std::string status;
};

/// Progress of an experiment on stderr. Runs that talk to the terminal themselves get a headline
/// each; of those watched, a terminal shows a line each that is redrawn, else a line is written
/// when one starts or ends and every 20 seconds.
class RunnerDisplay {
 public:
  RunnerDisplay(const Experiment& experiment, bool quiet, bool watched);
  void Started(const PlannedRun& run);
  void Finished(const PlannedRun& run, const RunOutcome& outcome);
  void Update(const std::vector<RunLine>& running);
  void Say(const std::string& line);  ///< a line that stays
  void End();                         ///< clears what would be redrawn

 private:
  using Clock = std::chrono::steady_clock;
  void Erase();
  std::string Summary() const;

  const Experiment& experiment_;
  bool quiet_;
  bool watched_;
  bool terminal_;
  std::size_t total_;  ///< distinct runs
  std::size_t started_ = 0;
  std::size_t ended_ = 0;
  std::size_t failed_ = 0;
  std::size_t cached_ = 0;
  std::size_t drawn_ = 0;  ///< lines on the terminal that are redrawn
  Clock::time_point start_;
  Clock::time_point last_;
};

}  // namespace roundlab
