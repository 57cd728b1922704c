#pragma once

#include <cstdint>

#include "core/config/fields.h"
#include "core/kernels/device.h"

namespace roundlab {

/// Where and with what a run computes, and what it leaves: provenance, not meaning. It is not in a
/// run's id and not in its canonical config (docs/adr/0016); the same kind of device and the same
/// thread count give the same codes, bit for bit, unless it is not to be deterministic.
struct ComputeOptions {
  WantedDevice device;
  SourceLoc device_where;    ///< for messages
  std::int64_t threads = 2;  ///< of a run, at most
  /// GiB of the device that computes: hidden states and the evaluated model lie elsewhere where
  /// they don't fit, and a run whose estimate is above it then is refused; 0: what is left.
  double memory_limit = 0;
  SourceLoc limit_where;      ///< for messages
  bool deterministic = true;  ///< on a GPU: one order of sums in attention's backward pass
  bool keep_weights = true;   ///< leave weights.safetensors, which `model: FOLDER` then opens
  void Fields(FieldVisitor& f);

  /// Whether that is the device that is asked for.
  bool OnGpu() const { return device && device->is_cuda(); }
};

}  // namespace roundlab
