#include "core/base/interrupt.h"

#include <sys/prctl.h>

namespace roundlab {
namespace {

// A signal handler can reach nothing but static storage.
volatile std::sig_atomic_t stop_requested = 0;

void OnSignal(int signal) {
  stop_requested = 1;
  if (signal != kStopSignal) std::signal(signal, SIG_DFL);
}

}  // namespace

void InstallInterruptHandler() {
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
  std::signal(kStopSignal, OnSignal);
}

void StopWithParent() { prctl(PR_SET_PDEATHSIG, kStopSignal); }

bool InterruptRequested() { return stop_requested != 0; }

void CheckInterrupt() {
  if (InterruptRequested()) throw Interrupted();
}

}  // namespace roundlab
