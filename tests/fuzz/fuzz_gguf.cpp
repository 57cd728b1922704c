#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/formats/gguf.h"
#include "core/formats/gguf_checkpoint.h"
#include "tests/fuzz/memory_file.h"

namespace {

/// Every getter gives the value of its kind or throws Error.
void ReadKeys(const roundlab::GgufFile& file) {
  const auto attempt = [](const auto& read) {
    try {
      read();
    } catch (const roundlab::Error&) {
    }
  };
  for (const auto& [key, value] : file.metadata()) {
    const std::string& name = key;
    attempt([&] { file.Integer(name); });
    attempt([&] { file.Real(name); });
    attempt([&] { file.Bool(name); });
    attempt([&] { file.String(name); });
    attempt([&] { file.Integers(name); });
    attempt([&] { file.Reals(name); });
    attempt([&] { file.Strings(name); });
  }
}

void ReadTensors(const roundlab::Checkpoint& checkpoint) {
  for (const std::string& name : checkpoint.Names()) {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
    try {
      checkpoint.Read(name, &shape, &values);
    } catch (const roundlab::Error&) {  // integers, NaN, rows that are not whole heads
      continue;
    }
    if (shape != checkpoint.Find(name)->shape) std::abort();
  }
}

}  // namespace

// Any bytes are either refused with Error or are a file whose keys and tensors can all be read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static roundlab::fuzz::MemoryFile memory;
  try {
    const auto checkpoint = roundlab::OpenGgufCheckpoint(memory.Put(data, size));
    ReadKeys(*checkpoint->gguf());
    for (const roundlab::TensorView& tensor : checkpoint->gguf()->tensors()) {
      if (checkpoint->gguf()->Find(tensor.name) != &tensor) std::abort();
    }
    ReadTensors(*checkpoint);
  } catch (const roundlab::Error&) {
  }
  return 0;
}
