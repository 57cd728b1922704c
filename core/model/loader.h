#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/formats/checkpoint.h"
#include "core/model/source.h"
#include "core/model/stored_names.h"

namespace roundlab {

/// A checkpoint and what it says of itself.
class ModelFiles : public ModelSource {
 public:
  /// `path`: a Hugging Face folder (config.json and weights) or a .gguf file, of which headers
  /// are read. Throws Error for what is missing, unsupported, broken or of another shape than the
  /// description says, naming file and tensor, and as StoredNames.
  explicit ModelFiles(const std::string& path);

  const ModelDescription& description() const override { return description_; }
  const std::string& path() const override { return path_; }
  /// SHA-256 over names, shapes and bytes of all tensors, in order of names; reads all of the file,
  /// the first time.
  std::string Fingerprint() const override;
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override;
  ModelEnds LoadEnds() const override;
  std::vector<std::string> Unused() const override { return names_->Unused(); }

 private:
  /// float32, of `shape`; nothing is read into memory but the result.
  at::Tensor Read(const std::string& name, const std::vector<std::int64_t>& shape) const;
  at::Tensor ReadStored(const std::string& name, const std::vector<std::int64_t>& shape) const;
  /// The tensor of that name in the file, holding weights, and of that shape. Throws Error.
  const TensorView& Stored(const std::string& name) const;
  const TensorView& Stored(const std::string& name, const std::vector<std::int64_t>& shape) const;
  /// What the file calls it; where it has none such, its own name, for messages.
  const std::string& NameOf(const std::string& name) const;
  /// rope_freqs.weight of a GGUF file. Throws Error where a number is not positive.
  void ReadDivisors();
  void ReadNorm(NormSlot* norm) const;
  void ReadLinear(const LinearPlan& plan, LinearSlot* slot) const;
  at::Tensor ReadStack(const LinearPlan& plan, std::int64_t count) const;
  at::Tensor ReadRouter(const ExpertsPlan& plan) const;
  void ReadXielu(const std::string& name, at::Tensor* numbers) const;
  void ReadMixer(const MixerPlan& plan, MixerWeights* mixer) const;

  std::string path_;
  std::unique_ptr<Checkpoint> checkpoint_;
  ModelDescription description_;
  std::unique_ptr<StoredNames> names_;
  mutable std::once_flag hashed_;
  mutable std::string fingerprint_;
};

}  // namespace roundlab
