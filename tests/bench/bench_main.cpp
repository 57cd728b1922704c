#include <benchmark/benchmark.h>

#include "core/base/allocator.h"

int main(int argc, char** argv) {
  roundlab::KeepFreedMemory();  // as the program does
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
