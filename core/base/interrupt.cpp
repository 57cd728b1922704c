#include "core/base/interrupt.h"

#include <csignal>

namespace roundlab {
namespace {

// A signal handler can reach nothing but static storage.
volatile std::sig_atomic_t stop_requested = 0;

void OnSignal(int signal) {
  stop_requested = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void InstallInterruptHandler() {
  std::signal(SIGINT, OnSignal);
  std::signal(SIGTERM, OnSignal);
}

void CheckInterrupt() {
  if (stop_requested != 0) throw Interrupted();
}

}  // namespace roundlab
