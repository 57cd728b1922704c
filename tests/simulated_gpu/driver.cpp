// Part of the simulated GPU (README.md): libcuda.so.1, and of CUDA's runtime what the program calls
// by itself. It is loaded before all others, since libtorch brings a true runtime along.

#include <cstdio>

#include "tests/simulated_gpu/setting.h"

using simulated_gpu::Setting;

extern "C" {
int cuDeviceGetName(char* name, int length, int index) {
  std::snprintf(name, static_cast<std::size_t>(length), "simulated GPU %d", index);
  return 0;
}
int cudaGetDeviceCount(int* count) {
  *count = static_cast<int>(Setting("SIMULATED_GPU_COUNT", 1));
  return 0;
}
const char* cudaGetErrorString(int /*code*/) { return "simulated"; }
int cudaDeviceGetAttribute(int* value, int which, int /*index*/) {
  const auto capability = static_cast<int>(Setting("SIMULATED_GPU_CAPABILITY", 90));
  *value = which == 75 ? capability / 10 : capability % 10;
  return which == 75 || which == 76 ? 0 : 1;
}
}
