#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/formats/gguf_value.h"
#include "core/formats/tensor_view.h"

namespace roundlab {

/// What the front of a GGUF file says about it.
struct GgufContents {
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<TensorView> tensors;  ///< sorted by name, with the bytes where they lie
};

/// `bytes`: the whole file, `file`: its name for messages. Throws Error as GgufFile's constructor.
GgufContents ReadGguf(std::span<const std::byte> bytes, const std::string& file);

}  // namespace roundlab
