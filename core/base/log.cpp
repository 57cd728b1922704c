#include "core/base/log.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "core/base/error.h"

namespace roundlab {

Log::Log(const std::string& file, bool quiet) : quiet_(quiet) {
  if (file.empty()) return;
  file_.open(file, std::ios::app);
  if (!file_) throw Error(file + ": cannot open: " + std::strerror(errno));
}

void Log::Write(const std::string& message) {
  if (!quiet_) std::fprintf(stderr, "%s\n", message.c_str());
  Note(message);
}

void Log::Note(const std::string& message) {
  if (!file_.is_open()) return;
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char time[24];
  std::strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", &local);
  file_ << time << "  " << message << std::endl;
}

Progress::Progress(const Log& log, std::string label, std::string unit, std::int64_t total,
                   std::int64_t done)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      done_(done),
      first_(done),
      quiet_(log.quiet()),
      terminal_(isatty(STDERR_FILENO) == 1),
      pause_seconds_(terminal_ ? 0.1 : log.line_seconds()),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fprintf(stderr, "\r\x1b[K");
}

void Progress::Advance(std::int64_t count, const std::string& note) {
  done_ += count;
  if (quiet_) return;
  const auto now = Clock::now();
  if (std::chrono::duration<double>(now - last_).count() < pause_seconds_) return;
  last_ = now;
  Draw(note);
}

void Progress::Draw(const std::string& note) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = static_cast<double>(done_ - first_) / seconds;
  const double left = static_cast<double>(total_ - done_) / rate;
  std::fprintf(stderr, "%s%s %lld/%lld %s, %.3g/s, %s left%s%s%s", terminal_ ? "\r" : "",
               label_.c_str(), static_cast<long long>(done_), static_cast<long long>(total_),
               unit_.c_str(), rate, FormatDuration(left).c_str(), note.empty() ? "" : ", ",
               note.c_str(), terminal_ ? "\x1b[K" : "\n");
  std::fflush(stderr);
  drawn_ = true;
}

std::string FormatDuration(double seconds) {
  const long long whole = std::llround(seconds);
  char text[48];
  if (whole < 60) {
    std::snprintf(text, sizeof(text), "%lld s", whole);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof(text), "%lld min %02lld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof(text), "%lld h %02lld min", whole / 3600, whole % 3600 / 60);
  }
  return text;
}

}  // namespace roundlab
