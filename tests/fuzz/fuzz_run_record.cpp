// The bytes are a run.json: roundlab::Error, or a result whose numbers are written as they were
// read.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/error.h"
#include "experiments/run/json_number.h"
#include "experiments/run/run_file.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static roundlab::fuzz::MemoryFile memory;
  try {
    const roundlab::RunResult result = roundlab::ReadRunResult(memory.Put(data, size));
    for (const auto* numbers : {&result.metrics, &result.timing, &result.memory}) {
      for (const auto& [name, value] : *numbers) {
        const double again = roundlab::NumberFromJson(roundlab::NumberToJson(value));
        if (again != value && !(std::isnan(again) && std::isnan(value))) std::abort();
      }
    }
    for (const char* name : {"cost/seconds", "cost/peak_gib", "a/acc + b/acc", "+", ""}) {
      result.Value(name);
    }
  } catch (const roundlab::Error&) {
  }
  return 0;
}
