#pragma once

#include <map>
#include <string>

#include "core/quant/activation_quantizer.h"
#include "core/quant/quantized_weight.h"

namespace roundlab {

/// Rounded layers as they lie in a file: by name, and what the file says of itself.
struct StoredWeights {
  std::map<std::string, QuantizedWeight> layers;
  std::map<std::string, at::Tensor> tensors;  ///< changed ones, see QuantizedModel; float32
  std::map<std::string, std::string> about;   ///< "model", "model_sha256", ...
  std::map<std::string, ActivationQuantizer> quantizers = {};  ///< see QuantizersOf
};

/// Writes a safetensors file: NAME.PART for each part of each layer (QuantizedWeight::Parts), and
/// in its metadata the spec of each layer and `about`; changed tensors under their own names, and
/// NAME.activations.PART for each part of each quantizer. Whole or not at all.
void SaveWeights(const std::string& path, const StoredWeights& weights);

/// StoredWeights::about alone: no weight is read. Throws Error where the file is none, or cut off.
std::map<std::string, std::string> LoadAbout(const std::string& path);

/// Throws Error, naming file and tensor, for a file that is cut off, lacks a part, or has parts
/// that do not fit together.
StoredWeights LoadWeights(const std::string& path);

}  // namespace roundlab
