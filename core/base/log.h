#pragma once

#include <chrono>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

namespace roundlab {

/// Messages of a run: to stderr unless quiet, and to log.txt with the time in front.
class Log {
 public:
  /// `file` may be empty. Appends, so that a continued run keeps its history. Throws Error where
  /// the file can't be opened.
  Log(const std::string& file, bool quiet);
  void Write(const std::string& message);
  void Note(const std::string& message);  ///< to the file alone
  bool quiet() const { return quiet_; }
  /// Where stderr is no terminal, a progress line is written each so many seconds; 20 by default.
  void SetLineSeconds(double seconds) { line_seconds_ = seconds; }
  double line_seconds() const { return line_seconds_; }

 private:
  std::ofstream file_;
  bool quiet_;
  double line_seconds_ = 20;
};

/// How far a long task is, with rate and time left: one line that is redrawn on a terminal, else a
/// line every Log::line_seconds(); nothing where the log is quiet.
class Progress {
 public:
  /// `unit` names what is counted ("steps"); `done` units are finished already.
  Progress(const Log& log, std::string label, std::string unit, std::int64_t total,
           std::int64_t done = 0);
  ~Progress();  ///< ends the line
  void Advance(std::int64_t count = 1, const std::string& note = "");

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(const std::string& note);

  std::string label_;
  std::string unit_;
  std::int64_t total_;
  std::int64_t done_;
  std::int64_t first_;
  bool quiet_;
  bool terminal_;
  double pause_seconds_;
  bool drawn_ = false;
  Clock::time_point start_;
  Clock::time_point last_;
};

/// A Progress that begins when it is first advanced: of work that waits for its turn.
class LateProgress {
 public:
  LateProgress(const Log& log, std::string label, std::string unit, std::int64_t total)
      : log_(log), label_(std::move(label)), unit_(std::move(unit)), total_(total) {}
  void Advance(std::int64_t count) {
    if (progress_) return progress_->Advance(count);
    progress_.emplace(log_, label_, unit_, total_, count);  // its time is not known
  }

 private:
  const Log& log_;
  const std::string label_;
  const std::string unit_;
  const std::int64_t total_;
  std::optional<Progress> progress_;
};

/// "48 s", "3 min 20 s", "2 h 05 min".
std::string FormatDuration(double seconds);

}  // namespace roundlab
