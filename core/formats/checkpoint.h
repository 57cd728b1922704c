#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/gguf.h"
#include "core/formats/tensor_view.h"

namespace roundlab {

/// The stored tensors of a model, under Hugging Face names, wherever they lie: a folder with
/// model.safetensors, pytorch_model.bin or shards with an index of either, or one .gguf file. Files
/// stay mapped; a tensor is decoded only when it is read.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;
  /// Type, shape and bytes as stored, null where absent. Of a GGUF llama file's q and k projections
  /// the rows are in the file's order; Read() gives them in Hugging Face's.
  virtual const TensorView* Find(std::string_view name) const = 0;
  virtual std::vector<std::string> Names() const = 0;  ///< sorted
  /// Decodes `name` to float32 into `out`, one value an element of the tensor. Throws Error naming
  /// file and tensor where it is missing, or holds NaN or infinity. Undoes the q/k row permutation
  /// of GGUF llama files.
  virtual void Read(std::string_view name, std::span<float> out) const = 0;
  /// The same with the shape, into `out` (resized).
  void Read(std::string_view name, std::vector<std::int64_t>* shape, std::vector<float>* out) const;
  /// The GGUF file behind it, null for a folder: its metadata describes model and tokenizer.
  virtual const GgufFile* gguf() const { return nullptr; }

 protected:
  /// Find, throwing Error("<file>: tensor 'x' is missing").
  const TensorView& Get(std::string_view name, const std::string& file) const;
};

/// What both kinds of checkpoint do to read a tensor: `tensor` decoded to float32 into `out`.
/// Throws Error("<file>: tensor 'x' holds NaN at element 17"), or infinity.
void ReadFinite(const TensorView& tensor, std::span<float> out);

}  // namespace roundlab
