#include "rounding/scheme.h"

#include <ATen/ATen.h>

#include "core/base/error.h"

namespace roundlab {

void RequireFiniteWeight(const LayerContext& layer) {
  if (layer.weight.isfinite().all().item<bool>()) return;
  throw Error(layer.name + ": a weight is not finite");
}

std::vector<std::string> SchemesThat(const std::function<bool(const RoundingScheme&)>& are) {
  std::vector<std::string> names;
  for (const std::string& name : RoundingSchemes().Names()) {
    if (are(*RoundingSchemes().FromText("type: " + name).make())) names.push_back(name);
  }
  return names;
}

}  // namespace roundlab
