#pragma once

#include <cstdint>

namespace roundlab {

/// Groups of weights, one a row, and how much an error in each weight counts.
struct WeighedRows {
  const float* weight;      ///< [groups, width]
  const float* importance;  ///< [groups, width], at least 0
  std::int64_t groups;
  std::int64_t width;
};

/// The scale of each row by auto-round's search (rounding/ranges/scale_search.h has the formula),
/// in scales [groups]. Errors are added up in float32 and products are rounded before they are
/// added, as the reference does: near ties would go to other candidates otherwise.
void SearchScales(const WeighedRows& rows, std::int64_t bits, float* scales);

}  // namespace roundlab
