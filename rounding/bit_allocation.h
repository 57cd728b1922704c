#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/quant/spec.h"

namespace roundlab {

/// Bits of a matrix [out, in] as QuantizedWeight::BitsPerWeight counts it: codes, scales and zero
/// points as `spec` stores them.
std::int64_t GridBits(std::int64_t out, std::int64_t in, const QuantSpec& spec);

/// One way to round a layer.
struct BitOption {
  std::int64_t bits = 0;  ///< of the whole layer
  double loss = 0;
};

struct BitAllocation {
  double loss = 0;
  std::vector<std::size_t> choice;  ///< an option for each layer
};

/// The options, one a layer, of least total loss whose bits sum to at most `budget`: exact dynamic
/// programming over the bits used, where a state survives only if its loss is below that of every
/// cheaper one (intel/auto-round 0.16.1, auto_scheme/delta_loss.py). Of equal losses at the same
/// bits the one found first stays: earlier states in order of their bits, then earlier options.
/// most_states > 0 thins the states after each layer to that many, evenly over their order, which
/// is no longer exact. nullopt where nothing fits.
std::optional<BitAllocation> AllocateBits(const std::vector<std::vector<BitOption>>& layers,
                                          std::int64_t budget, std::size_t most_states = 0);

}  // namespace roundlab
