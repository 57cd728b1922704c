#include "experiments/run/runner_display.h"

#include <unistd.h>

#include <cstdio>

#include "core/base/log.h"
#include "core/base/terminal.h"

namespace roundlab {
RunnerDisplay::RunnerDisplay(const Experiment& experiment, bool quiet, bool watched)
    : experiment_(experiment),
      quiet_(quiet),
      watched_(watched),
      terminal_(TerminalWidth(STDERR_FILENO).has_value()),
      total_(DistinctRuns(experiment).size()),
      start_(Clock::now()),
      last_(start_) {}

void RunnerDisplay::Started(const PlannedRun& run) {
  ++started_;
  Say("[" + std::to_string(cached_ + started_) + "/" + std::to_string(total_) + "] " + run.id +
      "  " + RunTitle(experiment_, run));
}

void RunnerDisplay::Finished(const PlannedRun& run, const RunOutcome& outcome) {
  const bool over = outcome.state == RunState::kDone || outcome.state == RunState::kFailed;
  ended_ += over ? 1 : 0;
  failed_ += outcome.state == RunState::kFailed ? 1 : 0;
  cached_ += outcome.cached ? 1 : 0;
  if (outcome.cached) return;
  if (outcome.state == RunState::kFailed && watched_) {
    Say(run.id + "  failed: " + outcome.reason);
  } else if (outcome.state == RunState::kDone && watched_) {
    Say(run.id + "  complete in " +
        FormatDuration(outcome.result.Value("cost/seconds").value_or(0)));
  }
}

void RunnerDisplay::Update(const std::vector<RunLine>& running) {
  const auto now = Clock::now();
  const auto pause = std::chrono::milliseconds(terminal_ ? 500 : 20000);
  if (quiet_ || !watched_ || now - last_ < pause) return;
  last_ = now;
  Erase();
  const std::size_t width = TerminalWidth(STDERR_FILENO).value_or(std::string::npos);
  std::vector<std::string> lines = {Summary()};
  for (const RunLine& line : running) {
    lines.push_back("  " + RunTitle(experiment_, *line.run) + ": " + line.status);
  }
  for (const std::string& line : lines) {
    std::fprintf(stderr, "%s\n", line.substr(0, width - 1).c_str());
  }
  if (terminal_) drawn_ = lines.size();
}

void RunnerDisplay::End() {
  Erase();
  if (!quiet_ && cached_ > 0) Say(std::to_string(cached_) + " runs had been done before");
}

void RunnerDisplay::Say(const std::string& line) {
  if (quiet_) return;
  Erase();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void RunnerDisplay::Erase() {
  for (; drawn_ > 0; --drawn_) std::fprintf(stderr, "\x1b[1A\x1b[2K");
}

std::string RunnerDisplay::Summary() const {
  std::string text = std::to_string(ended_) + "/" + std::to_string(total_) + " runs";
  if (failed_ > 0) text += ", " + std::to_string(failed_) + " failed";
  const std::size_t made = ended_ - cached_;
  if (made > 0) {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const double left = seconds / static_cast<double>(made) * static_cast<double>(total_ - ended_);
    text += ", about " + FormatDuration(left) + " left";
  }
  return text;
}

}  // namespace roundlab
