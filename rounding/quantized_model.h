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
  const std::map<std::string, QuantizedWeight>& layers() const { return layers_; }

  /// SHA-256 over name, shape, bits and all parts of all layers in model order: equal
  /// hash, equal model.
  std::string CodesSha256() const;
  /// Mean bits a rounded weight takes, scales and zero points included; NaN where none is rounded.
  double BitsPerWeight() const;
  /// Puts the decoded weights into the block's slots in place of the original ones.
  void ApplyTo(DecoderBlock* block) const;

 private:
  std::map<std::string, QuantizedWeight> layers_;
  std::vector<std::string> order_;
};

}  // namespace roundlab
