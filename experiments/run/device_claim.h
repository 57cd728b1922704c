#pragma once

#include <cstdint>
#include <string>

namespace roundlab {

/// One GPU a process: runs beside one another on a machine take different ones while there are.
class DeviceClaim {
 public:
  /// folder: where the locks are, the same for all processes that share the GPUs.
  explicit DeviceClaim(std::string folder);
  ~DeviceClaim();
  DeviceClaim(const DeviceClaim&) = delete;
  DeviceClaim& operator=(const DeviceClaim&) = delete;

  /// The first of `count` GPUs that no other claim holds, which is then held until this is gone;
  /// where all are held, one that is shared. With one GPU there is nothing to choose.
  std::int64_t Take(std::int64_t count);

 private:
  std::string folder_;
  int descriptor_ = -1;
};

}  // namespace roundlab
