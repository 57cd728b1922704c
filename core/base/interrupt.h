#pragma once

#include <sys/types.h>

#include <csignal>

#include "core/base/error.h"

namespace roundlab {

/// Work was stopped by the user at a place from which it can be continued.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted; the same command continues it") {}
};

/// Asks for a stop after the current step, however often it comes: how a runner stops its runs.
constexpr int kStopSignal = SIGUSR1;

/// From now on the first Ctrl-C (SIGINT) or SIGTERM, or any kStopSignal, asks for a stop after the
/// current step; the second Ctrl-C ends the process at once.
void InstallInterruptHandler();

/// This process gets kStopSignal when the one that started it, `parent`, ends; where that has ended
/// already, a stop is asked for now.
void StopWithParent(pid_t parent);

/// Whether a stop was asked for.
bool InterruptRequested();

/// Throws Interrupted where a stop was asked for. Called between steps.
void CheckInterrupt();

}  // namespace roundlab
