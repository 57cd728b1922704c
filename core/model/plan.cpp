#include "core/model/plan.h"

#include <algorithm>

namespace roundlab {

const char* RoleName(LinearRole role) {
  switch (role) {
    case LinearRole::kQuery:
      return "query";
    case LinearRole::kKey:
      return "key";
    case LinearRole::kValue:
      return "value";
    case LinearRole::kQueryKeyValue:
      return "query_key_value";
    case LinearRole::kAttentionOutput:
      return "attention_output";
    case LinearRole::kGate:
      return "gate";
    case LinearRole::kUp:
      return "up";
    case LinearRole::kGateUp:
      return "gate_up";
    case LinearRole::kDown:
      return "down";
  }
  return "?";
}

const NormPlan* BlockPlan::Norm(NormPlace place) const {
  const auto found = std::find_if(norms.begin(), norms.end(),
                                  [&](const NormPlan& norm) { return norm.place == place; });
  return found == norms.end() ? nullptr : &*found;
}

std::size_t BlockPlan::InputCount() const {
  std::size_t count = 0;
  for (const LinearPlan& linear : linears) count = std::max(count, linear.input + 1);
  return count;
}

}  // namespace roundlab
