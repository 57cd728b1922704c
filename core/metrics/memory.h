#pragma once

#include <cstdint>

namespace roundlab {

/// The most memory this process has held resident so far, bytes, pages of files that it maps
/// included (getrusage: ru_maxrss).
std::int64_t PeakResidentBytes();

/// Lets PeakResidentBytes() begin anew with what is resident now, where the system can do that.
void ResetPeakResident();

/// Memory that this process holds now, bytes: without pages of files, which can be read again.
std::int64_t HeldBytes();

/// Memory that a process could still take, bytes: what the machine has left, or what a control
/// group leaves of its limit.
std::int64_t AvailableBytes();

/// CPU seconds of this process so far, all threads, user and system.
double CpuSeconds();

}  // namespace roundlab
