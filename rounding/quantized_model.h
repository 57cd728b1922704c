#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/model/block.h"
#include "core/quant/quantized_weight.h"

namespace roundlab {

/// All rounded layers of a model, by name.
class QuantizedModel {
 public:
  void Add(const std::string& name, QuantizedWeight weight);
  /// Another tensor of the blocks that a stage changed, under its name in the checkpoint: a norm's
  /// weight, a bias, the weight of a layer that is not rounded. float32.
  void AddTensor(const std::string& name, at::Tensor tensor);
  const std::map<std::string, QuantizedWeight>& layers() const { return layers_; }
  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }

  /// SHA-256 over name, shape, bits and all parts of all layers in model order, then changed
  /// tensors by name: equal hash, equal model.
  std::string CodesSha256() const;
  /// Mean bits a rounded weight takes, scales and zero points included; NaN where none is rounded.
  double BitsPerWeight() const;
  /// Puts decoded weights and changed tensors into the block in place of the original ones.
  void ApplyTo(DecoderBlock* block) const;

 private:
  std::map<std::string, QuantizedWeight> layers_;
  std::vector<std::string> order_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace roundlab
