#pragma once

#include <cstdint>
#include <string>

#include "core/config/fields.h"

namespace roundlab {

/// Where and with what a run computes: provenance, not meaning. It is not in a run's id and not in
/// its canonical config (docs/adr/0016); the same kind of device and the same thread count give the
/// same codes, bit for bit.
struct ComputeOptions {
  std::string device = "auto";  ///< auto, cpu, cuda or cuda:N
  std::int64_t threads = 2;     ///< of a run, at most
  double memory_limit = 0;      ///< GiB that a run may take by its estimate; 0: no limit
  void Fields(FieldVisitor& f);
};

}  // namespace roundlab
