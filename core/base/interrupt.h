#pragma once

#include "core/base/error.h"

namespace roundlab {

/// Work was stopped by the user at a place from which it can be continued.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted; the same command continues it") {}
};

/// From now on the first Ctrl-C (SIGINT) or SIGTERM asks for a stop after the current step; the
/// second ends the process at once.
void InstallInterruptHandler();

/// Throws Interrupted where a stop was asked for. Called between steps.
void CheckInterrupt();

}  // namespace roundlab
