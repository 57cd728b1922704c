#include "core/model/description.h"

namespace roundlab {

std::int64_t ModelDescription::LinearWeights() const {
  const std::int64_t attention = hidden * head_dim * (2 * heads + 2 * kv_heads);
  return layers * (attention + 3 * hidden * intermediate);
}

std::int64_t ModelDescription::TotalWeights() const {
  const std::int64_t norms = (2 * layers + 1) * hidden + (qk_norm ? 2 * layers * head_dim : 0);
  return LinearWeights() + norms + vocab * hidden * (tied_head ? 1 : 2);
}

}  // namespace roundlab
