#include "core/base/plugin.h"

// Built "against other headers".
extern "C" __attribute__((visibility("default"))) roundlab::Plugin roundlab_plugin() {
  return {"0.0.9-7", nullptr};
}
