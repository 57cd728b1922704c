#include "core/base/gib.h"

#include <cstdio>

namespace roundlab {

std::string GibText(double bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g GiB", bytes / kGib);
  return text;
}

}  // namespace roundlab
