#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/base/error.h"
#include "core/formats/torch_file.h"
#include "tests/fuzz/memory_file.h"

// Any bytes are either refused with Error or are a file whose tensors lie within it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static roundlab::fuzz::MemoryFile memory;
  try {
    const roundlab::TorchFile file(memory.Put(data, size));
    for (const roundlab::TensorView& tensor : file.tensors()) {
      if (file.Find(tensor.name) != &tensor) std::abort();
      if (!roundlab::HoldsWeights(tensor.type)) continue;
      std::vector<float> values(static_cast<std::size_t>(tensor.ElementCount()));
      roundlab::DecodeToFloat(tensor, values);
    }
  } catch (const roundlab::Error&) {
  }
  return 0;
}
