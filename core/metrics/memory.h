#pragma once

#include <cstdint>

namespace roundlab {

/// The most memory this process has held resident so far, bytes (VmHWM).
std::int64_t PeakResidentBytes();

/// CPU seconds of this process so far, all threads, user and system.
double CpuSeconds();

}  // namespace roundlab
