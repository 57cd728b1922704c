#pragma once

#include <vector>

namespace roundlab {

/// A published model's sizes, for models of random weights and for documents.
struct NamedShape {
  const char* name;    ///< "llama2-7b"
  const char* config;  ///< what its config.json says of the shape
};

// What NamedShapes() (shapes.h) lists, each by family.

std::vector<NamedShape> DenseShapes();
std::vector<NamedShape> MixtureShapes();  ///< of mixtures of experts

}  // namespace roundlab
