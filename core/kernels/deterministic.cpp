#include "core/kernels/deterministic.h"

#include <ATen/Context.h>

namespace roundlab {

Deterministic::Deterministic()
    : was_(at::globalContext().deterministicAlgorithms()),
      warned_(at::globalContext().deterministicAlgorithmsWarnOnly()) {
  at::globalContext().setDeterministicAlgorithms(true, false);
}

Deterministic::~Deterministic() { at::globalContext().setDeterministicAlgorithms(was_, warned_); }

}  // namespace roundlab
