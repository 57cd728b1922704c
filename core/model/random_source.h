#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/model/source.h"

namespace roundlab {

/// A model of random weights, made block by block when asked for: nothing lies on disk, and no more
/// than a block in memory. For measurements of time and memory at sizes that nobody has files of.
class RandomSource : public ModelSource {
 public:
  /// `description`: of any family; `name`: for messages, "random:llama2-7b".
  /// Weights are drawn on `device`, where they then are: others on a GPU than on the CPU.
  RandomSource(ModelDescription description, std::string name, std::uint64_t seed,
               const at::Device& device = at::kCPU);
  /// One of NamedShapes().
  RandomSource(const std::string& shape, std::uint64_t seed, const at::Device& device = at::kCPU);

  const ModelDescription& description() const override { return description_; }
  const std::string& path() const override { return name_; }
  /// SHA-256 of what the weights follow from: names and shapes of all tensors, the seed, and the
  /// kind of device.
  std::string Fingerprint() const override;
  std::unique_ptr<DecoderBlock> LoadBlock(std::int64_t index) const override;
  ModelEnds LoadEnds() const override;
  at::Device device() const override { return device_; }

 private:
  /// Matrices are normal with standard deviation 1 / sqrt(in), so that activations keep their size;
  /// embeddings 0.02. A tensor's draws depend on the seed and its name only.
  at::Tensor Draw(const std::string& name, const std::vector<std::int64_t>& shape,
                  double deviation) const;
  /// Norms multiply by 1 + 0.1 r, biases are 0.1 r, r normal.
  void FillNorm(NormSlot* norm) const;

  ModelDescription description_;
  std::string name_;
  std::uint64_t seed_;
  at::Device device_;
};

}  // namespace roundlab
