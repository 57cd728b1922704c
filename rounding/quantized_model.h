#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/model/block.h"
#include "core/quant/activation_quantizer.h"
#include "core/quant/quantized_weight.h"

namespace roundlab {

/// All quantizers of activations that a block has, by what they are put on: a layer's inputs by its
/// name, "blocks.3.keys" (or "blocks.3.keys_before_rotary") and "blocks.3.values". On the CPU.
std::map<std::string, ActivationQuantizer> QuantizersOf(DecoderBlock* block);
/// All names that keys and values of a block may have there.
std::vector<std::string> CacheNames(std::int64_t block);

/// All rounded layers of a model, by name, and what else was made of its blocks.
class QuantizedModel {
 public:
  void Add(const std::string& name, QuantizedWeight weight);
  /// Another tensor of the blocks that a stage changed, under its name in the checkpoint: a norm's
  /// weight, a bias, the weight of a layer that is not rounded. float32.
  void AddTensor(const std::string& name, at::Tensor tensor);
  /// name: as QuantizersOf has it.
  void AddQuantizer(const std::string& name, ActivationQuantizer quantizer);
  const std::map<std::string, QuantizedWeight>& layers() const { return layers_; }
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }
  const std::map<std::string, ActivationQuantizer>& quantizers() const { return quantizers_; }
  bool Empty() const { return layers_.empty() && tensors_.empty() && quantizers_.empty(); }

  /// SHA-256 over name, shape, bits and all parts of all layers in model order, then changed
  /// tensors and quantizers by name: equal hash, equal model.
  std::string CodesSha256() const;
  /// Mean bits a rounded weight takes, scales and zero points included; NaN where none is rounded.
  double BitsPerWeight() const;
  /// Puts weights, decoded on `device`, changed tensors and quantizers into the block in place of
  /// the original ones.
  void ApplyTo(DecoderBlock* block, const at::Device& device = at::kCPU) const;

 private:
  std::map<std::string, QuantizedWeight> layers_;
  std::vector<std::string> order_;
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, ActivationQuantizer> quantizers_;
};

}  // namespace roundlab
