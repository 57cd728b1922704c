#include "experiments/run/device_claim.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "core/base/file_lock.h"

namespace roundlab {
namespace {

/// What the driver calls the i-th GPU that this process sees: processes may see different ones.
std::string NameOf(std::int64_t i) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  std::istringstream names(visible == nullptr ? "" : visible);
  std::string name;
  for (std::int64_t k = 0; std::getline(names, name, ','); ++k) {
    name.erase(std::remove_if(name.begin(), name.end(),
                              [](unsigned char c) { return std::isalnum(c) == 0 && c != '-'; }),
               name.end());
    if (k == i && !name.empty()) return name;
  }
  return std::to_string(i);
}

}  // namespace

DeviceClaim::DeviceClaim(std::string folder) : folder_(std::move(folder)) {}

DeviceClaim::~DeviceClaim() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::int64_t DeviceClaim::Take(std::int64_t count) {
  if (count <= 1) return 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string file =
        folder_ + "/roundlab-" + std::to_string(::getuid()) + "-cuda-" + NameOf(i) + ".lock";
    descriptor_ = OpenLocked(file, IfLocked::kGiveUp);
    if (descriptor_ >= 0) return i;
  }
  return ::getpid() % count;
}

}  // namespace roundlab
