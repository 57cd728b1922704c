#pragma once

#include <string>

#include "core/formats/tensor_file.h"

namespace roundlab {

/// A file of torch.save (pytorch/pytorch, torch/serialization.py: since version 1.6 a zip archive
/// of data.pkl and one entry a storage) that holds a dictionary of tensors, as pytorch_model.bin
/// is. Read in place, and nothing that its pickle names is run.
class TorchFile : public TensorFile {
 public:
  /// Throws Error naming file and tensor where the file is no such archive, its pickle holds
  /// anything but tensors by name, a storage is missing or too short for its tensor, of a type that
  /// ElementType does not list or written on a big-endian machine, or a tensor's elements do not
  /// lie one after another.
  explicit TorchFile(const std::string& path);
};

}  // namespace roundlab
