#pragma once

#include <string>

#include "core/config/fields.h"

namespace roundlab {

/// The momentum of torch SGD: the buffer is m = d at a parameter's first step and then
/// m = momentum m + (1 - dampening) d; the step goes along m, or with nesterov along d + momentum
/// m.
struct MomentumOptions {
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;

  void Fields(FieldVisitor& f);
  std::string Problem() const;  ///< "" where the three fit together
};

}  // namespace roundlab
