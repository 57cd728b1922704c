#include "core/metrics/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace roundlab {

std::int64_t PeakResidentBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

void ResetPeakResident() { std::ofstream("/proc/self/clear_refs") << "5\n"; }

namespace {

/// The number in a file that holds nothing else; nullopt: none ("max"), or no such file.
std::optional<std::int64_t> NumberIn(const char* path) {
  std::ifstream file(path);
  std::int64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

/// Of the line "NAME  123 kB" of a file.
std::optional<std::int64_t> Kilobytes(const char* path, const std::string& wanted) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t kilobytes = 0;
    if (words >> name >> kilobytes && name == wanted) return kilobytes;
  }
  return std::nullopt;
}

}  // namespace

std::int64_t HeldBytes() { return Kilobytes("/proc/self/status", "RssAnon:").value_or(0) * 1024; }

std::int64_t AvailableBytes() {
  const auto told = Kilobytes("/proc/meminfo", "MemAvailable:");
  std::int64_t available =
      told ? *told * 1024 : std::int64_t{sysconf(_SC_AVPHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  const auto limit = NumberIn("/sys/fs/cgroup/memory.max");
  const auto used = NumberIn("/sys/fs/cgroup/memory.current");
  if (limit && used) available = std::min(available, std::max<std::int64_t>(0, *limit - *used));
  return available;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace roundlab
