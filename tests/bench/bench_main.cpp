#include <benchmark/benchmark.h>

#include "core/base/allocator.h"
#include "core/kernels/host_allocator.h"

int main(int argc, char** argv) {
  roundlab::KeepFreedMemory();  // as the program does
  roundlab::TakeTensorsFromMalloc();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
