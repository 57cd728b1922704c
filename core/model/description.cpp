#include "core/model/description.h"

namespace roundlab {

std::vector<std::vector<std::int64_t>> ModelDescription::LinearShapes() const {
  const std::int64_t q = heads * head_dim;
  const std::int64_t kv = kv_heads * head_dim;
  return {{q, hidden},           {kv, hidden},           {kv, hidden},
          {hidden, q},           {intermediate, hidden}, {intermediate, hidden},
          {hidden, intermediate}};
}

std::int64_t ModelDescription::LinearWeights() const {
  std::int64_t block = 0;
  for (const auto& shape : LinearShapes()) block += shape[0] * shape[1];
  return layers * block;
}

std::int64_t ModelDescription::TotalWeights() const {
  const std::int64_t norms = (2 * layers + 1) * hidden + (qk_norm ? 2 * layers * head_dim : 0);
  return LinearWeights() + norms + vocab * hidden * (tied_head ? 1 : 2);
}

}  // namespace roundlab
