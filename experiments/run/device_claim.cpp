#include "experiments/run/device_claim.h"

#include <unistd.h>

#include <utility>

#include "core/base/file_lock.h"

namespace roundlab {

DeviceClaim::DeviceClaim(std::string folder) : folder_(std::move(folder)) {}

DeviceClaim::~DeviceClaim() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::int64_t DeviceClaim::Take(std::int64_t count) {
  if (count <= 1) return 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string file = folder_ + "/roundlab-" + std::to_string(::getuid()) + "-cuda-" +
                             std::to_string(i) + ".lock";
    descriptor_ = OpenLocked(file, IfLocked::kGiveUp);
    if (descriptor_ >= 0) return i;
  }
  return ::getpid() % count;
}

}  // namespace roundlab
