#pragma once

#include "core/base/error.h"

namespace roundlab {

/// Numbers ceased to be finite, and the policy says to stop: the run failed, its input was good.
class Diverged : public Error {
 public:
  using Error::Error;
};

}  // namespace roundlab
