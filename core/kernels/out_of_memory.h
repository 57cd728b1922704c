#pragma once

#include <functional>
#include <string>

namespace roundlab {

/// Runs `work`. Where a device has no memory left for it, throws Error("block_3: out of memory
/// (CUDA out of memory. Tried to allocate 2.00 GiB.): set a smaller batch"): `name` says what is
/// being done, `remedy` what to set. So it does where pinned memory of the machine is short. Other
/// exceptions pass.
void WithinMemory(const std::string& name, const std::string& remedy,
                  const std::function<void()>& work);

}  // namespace roundlab
