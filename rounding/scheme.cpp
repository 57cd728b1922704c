#include "rounding/scheme.h"

namespace roundlab {

std::vector<std::string> SchemesThat(const std::function<bool(const RoundingScheme&)>& are) {
  std::vector<std::string> names;
  for (const std::string& name : RoundingSchemes().Names()) {
    if (are(*RoundingSchemes().FromText("type: " + name).make())) names.push_back(name);
  }
  return names;
}

}  // namespace roundlab
