#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "core/formats/checkpoint.h"
#include "core/model/block.h"
#include "core/model/description.h"

namespace roundlab {

/// A checkpoint and what it says of itself. Blocks are decoded one by one when asked for, so that a
/// model need never lie in memory as a whole.
class ModelFiles {
 public:
  /// `path`: a Hugging Face folder (config.json and safetensors) or a .gguf file. Throws Error for
  /// what is missing, unsupported or broken, naming file and tensor.
  explicit ModelFiles(const std::string& path);

  const ModelDescription& description() const { return description_; }
  const std::string& path() const { return path_; }
  /// SHA-256 over names, shapes and bytes of all tensors, in order of names; reads all of the file.
  std::string Fingerprint() const;

  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const;
  at::Tensor Embedding() const;  ///< [vocab, hidden] float32
  at::Tensor Head() const;       ///< [vocab, hidden] float32, not called where the head is tied
  at::Tensor FinalNorm() const;  ///< [hidden] float32

 private:
  at::Tensor Read(const std::string& name, const std::vector<std::int64_t>& shape) const;

  std::string path_;
  std::unique_ptr<Checkpoint> checkpoint_;
  ModelDescription description_;
};

}  // namespace roundlab
