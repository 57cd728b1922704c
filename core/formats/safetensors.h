#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/formats/tensor_file.h"
#include "core/formats/tensor_view.h"

namespace roundlab {

/// A safetensors file (huggingface/safetensors, README "Format"): 8 bytes header length, JSON
/// header, data. Opening checks the whole header against the file's size.
class SafetensorsFile : public TensorFile {
 public:
  /// Throws Error naming file and tensor where the header lies: length, JSON, duplicate names,
  /// dtype (one that ElementType does not list, as F6_E2M3, refuses the file), shape, offsets
  /// (overlap, holes, end), or the file is truncated.
  explicit SafetensorsFile(const std::string& path);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::map<std::string, std::string> metadata_;
};

/// One tensor to write; `bytes` is borrowed for the call.
struct TensorToWrite {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// Writes PATH.part and renames it: a file named PATH is whole. Throws Error (also on a full disk)
/// and then leaves neither file of its own.
void WriteSafetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

/// The same with a hash of all tensors in the metadata, "tensors_sha256".
void WriteHashed(const std::string& path, const std::vector<TensorToWrite>& tensors,
                 std::map<std::string, std::string> metadata = {});

/// Throws Error where a file has such a hash and its tensors have another. Reads all of it.
void CheckContent(const SafetensorsFile& file);

}  // namespace roundlab
