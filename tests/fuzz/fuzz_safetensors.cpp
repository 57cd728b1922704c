#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/formats/safetensors.h"
#include "tests/fuzz/memory_file.h"

namespace {

using roundlab::SafetensorsFile;
using roundlab::TensorView;

bool Same(const TensorView& a, const TensorView& b) {
  return a.name == b.name && a.type == b.type && a.shape == b.shape &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

void Decode(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.ElementCount()));
  try {
    roundlab::DecodeToFloat(tensor, values);
  } catch (const roundlab::Error&) {  // integers
  }
}

/// What was read, written and read again, is the same.
void CheckRoundTrip(const SafetensorsFile& file) {
  static const std::string path =
      (std::filesystem::exists("/dev/shm") ? std::string("/dev/shm")
                                           : std::filesystem::temp_directory_path().string()) +
      "/fuzz_" + std::to_string(::getpid()) + ".safetensors";
  std::vector<roundlab::TensorToWrite> tensors;
  for (const TensorView& view : file.tensors()) {
    tensors.push_back({view.name, view.type, view.shape, view.bytes});
  }
  roundlab::WriteSafetensors(path, tensors, file.metadata());
  const SafetensorsFile again(path);
  std::filesystem::remove(path);
  if (again.metadata() != file.metadata()) std::abort();
  if (!std::equal(again.tensors().begin(), again.tensors().end(), file.tensors().begin(),
                  file.tensors().end(), Same)) {
    std::abort();
  }
}

}  // namespace

// Any bytes are either refused with Error or are a file whose tensors decode and survive writing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static roundlab::fuzz::MemoryFile memory;
  try {
    const SafetensorsFile file(memory.Put(data, size));
    for (const TensorView& tensor : file.tensors()) {
      if (file.Find(tensor.name) != &tensor) std::abort();
      Decode(tensor);
    }
    CheckRoundTrip(file);
  } catch (const roundlab::Error&) {
  }
  return 0;
}
