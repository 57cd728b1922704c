#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"

namespace roundlab::testing {

/// A safetensors file of these, contiguous float32 on the CPU.
inline void WriteTensors(const std::string& path,
                         const std::map<std::string, at::Tensor>& tensors) {
  std::vector<TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) {
    const std::span<const float> values(tensor.const_data_ptr<float>(),
                                        static_cast<std::size_t>(tensor.numel()));
    list.push_back({name, ElementType::kF32, tensor.sizes().vec(), std::as_bytes(values)});
  }
  WriteSafetensors(path, list);
}

}  // namespace roundlab::testing
