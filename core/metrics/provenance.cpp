#include "core/metrics/provenance.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

namespace roundlab {
namespace {

std::string CpuName() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (line.compare(0, 10, "model name") != 0) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

Provenance BuildAndMachine() {
  utsname machine{};
  uname(&machine);
  return {
#ifdef __clang__
      {"compiler", "clang " __clang_version__},
#else
      {"compiler", "g++ " __VERSION__},
#endif
      {"cpu", CpuName()},
      {"cores", std::to_string(sysconf(_SC_NPROCESSORS_ONLN))},
      {"system", std::string(machine.sysname) + " " + machine.release}};
}

std::string TimeNow() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &local);
  return {text, size};
}

}  // namespace roundlab
