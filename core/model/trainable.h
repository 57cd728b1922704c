#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/model/block.h"
#include "core/model/description.h"

namespace roundlab {

/// A model of the llama family whose weights are trained: the decoder blocks that everything else
/// runs with, their weights, norms and ends as leaves of the graph.
class TrainableModel {
 public:
  /// Draws the weights: normal with standard deviation 0.02, of matrices that write to the residual
  /// stream 0.02 / sqrt(2 layers) (Radford et al. 2019); norms are 1. A tensor's draws depend on
  /// the seed and its name only.
  TrainableModel(const ModelDescription& description, std::uint64_t seed);

  /// tokens: int64 [batch, seq + 1], seq at most max_positions -> mean nll in nats of tokens 1 to
  /// seq of each row, a scalar to differentiate. dtype: of the blocks' matrix products and hidden
  /// states.
  at::Tensor Loss(const at::Tensor& tokens, at::ScalarType dtype) const;

  /// All weights under their Hugging Face names; float32 leaves that require grad.
  const std::vector<std::pair<std::string, at::Tensor>>& Parameters() const { return parameters_; }
  const ModelDescription& description() const { return description_; }

  /// Writes config.json and model.safetensors with weights stored as `dtype`, one of DtypeNames():
  /// ModelFiles and transformers load the folder. Makes the folder. Throws Error where that fails.
  void Save(const std::string& folder, c10::ScalarType dtype) const;

 private:
  at::Tensor Add(const std::string& name, const std::vector<std::int64_t>& shape, double deviation);
  std::unique_ptr<DecoderBlock> MakeBlock(std::int64_t index);

  ModelDescription description_;
  std::uint64_t seed_;
  std::vector<std::pair<std::string, at::Tensor>> parameters_;
  at::Tensor embedding_;
  at::Tensor head_;
  at::Tensor norm_;
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
  RopeTable rope_;
};

/// config.json of transformers' LlamaForCausalLM; `dtype` is that of the stored weights.
std::string HuggingFaceConfig(const ModelDescription& description, c10::ScalarType dtype);

}  // namespace roundlab
