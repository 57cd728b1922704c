#include "core/base/interrupt.h"

#include <sys/prctl.h>
#include <unistd.h>

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

void StopWithParent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, kStopSignal);
  // One that had ended before this call sends no signal, and this process has another parent.
  if (getppid() != parent) stop_requested = 1;
}

bool InterruptRequested() { return stop_requested != 0; }

void CheckInterrupt() {
  if (InterruptRequested()) throw Interrupted();
}

}  // namespace roundlab
