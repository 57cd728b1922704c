#include "core/model/shapes.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/model/families.h"

namespace roundlab {

const std::vector<NamedShape>& NamedShapes() {
  static const std::vector<NamedShape> kShapes = [] {
    std::vector<NamedShape> shapes = DenseShapes();
    for (const NamedShape& shape : MixtureShapes()) shapes.push_back(shape);
    return shapes;
  }();
  return kShapes;
}

std::string ShapeProblem(const std::string& name) {
  std::vector<std::string> known;
  for (const NamedShape& shape : NamedShapes()) {
    if (name == shape.name) return "";
    known.emplace_back(shape.name);
  }
  return "unknown shape '" + name + "'" + SuggestionSuffix(name, known);
}

ModelDescription DescribeShape(const std::string& name) {
  for (const NamedShape& shape : NamedShapes()) {
    if (name == shape.name) return DescribeHuggingFace(shape.config, "random:" + name);
  }
  throw Error(ShapeProblem(name));
}

}  // namespace roundlab
