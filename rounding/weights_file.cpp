#include "rounding/weights_file.h"

#include <ATen/ATen.h>

#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/model/stored_tensor.h"
#include "core/quant/weight_form.h"

namespace roundlab {
namespace {

constexpr const char* kSpec = "spec ";            // in front of a layer's name in the metadata
constexpr const char* kTensor = "tensor ";        // in front of a changed tensor's name
constexpr const char* kQuantizer = "quantizer ";  // in front of a quantizer's name
constexpr const char* kParts = ".activations.";   // between its name and those of its parts
constexpr const char* kAbout = "about ";          // in front of a key of StoredWeights::about

std::map<std::string, std::string> AboutOf(const SafetensorsFile& file) {
  std::map<std::string, std::string> about;
  for (const auto& [key, text] : file.metadata()) {
    if (key.starts_with(kAbout)) about[key.substr(std::strlen(kAbout))] = text;
  }
  return about;
}

TensorToWrite Written(const std::string& name, const at::Tensor& tensor, at::ScalarType dtype) {
  ROUNDLAB_CHECK(tensor.scalar_type() == dtype, "a part as it is stored");
  return Stored(name, tensor);
}

ActivationQuantizer ReadQuantizer(const SafetensorsFile& file, const std::string& name,
                                  const std::string& text, const std::string& place) {
  ActivationQuantizer quantizer;
  quantizer.spec = ReadActivationSpec(text, place);
  for (const ActivationQuantizer::Part& part : quantizer.Parts()) {
    const TensorView* view = file.Find(name + kParts + part.name);
    if (view != nullptr) *part.tensor = ReadStored(*view, at::kFloat);
  }
  const at::Tensor& scale = quantizer.scale;
  const at::Tensor& zero = quantizer.zero;
  if (scale.defined() != zero.defined() ||
      (scale.defined() && (scale.dim() != 2 || scale.sizes() != zero.sizes()))) {
    throw Error(place + ": scale and zero point of its range do not fit together");
  }
  const at::Tensor& border = quantizer.border;
  if (border.defined() && (!scale.defined() || border.dim() != 2 || border.size(0) != 3)) {
    throw Error(place + ": its border is not three numbers a channel of static ranges");
  }
  return quantizer;
}

}  // namespace

void SaveWeights(const std::string& path, const StoredWeights& weights) {
  std::vector<TensorToWrite> tensors;
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : weights.about) metadata[kAbout + key] = text;
  for (const auto& [name, tensor] : weights.tensors) {
    metadata[kTensor + name] = "float32";
    tensors.push_back(Written(name, tensor, at::kFloat));
  }
  for (const auto& [name, quantizer] : weights.quantizers) {
    metadata[kQuantizer + name] = SpecText(quantizer.spec);
    ActivationQuantizer all = quantizer;
    for (const ActivationQuantizer::Part& part : all.Parts()) {
      if (!part.tensor->defined()) continue;
      tensors.push_back(Written(name + kParts + part.name, *part.tensor, at::kFloat));
    }
  }
  for (const auto& [name, weight] : weights.layers) {
    metadata[kSpec + name] = SpecText(weight.spec);
    QuantizedWeight all = weight;
    for (const QuantizedWeight::Part& part : all.Parts()) {
      if (!part.tensor->defined()) continue;
      tensors.push_back(Written(name + "." + part.name, *part.tensor, part.dtype));
    }
  }
  WriteHashed(path, tensors, metadata);
}

std::map<std::string, std::string> LoadAbout(const std::string& path) {
  return AboutOf(SafetensorsFile(path));
}

StoredWeights LoadWeights(const std::string& path) {
  const SafetensorsFile file(path);
  CheckContent(file);
  StoredWeights stored;
  stored.about = AboutOf(file);
  for (const auto& [key, text] : file.metadata()) {
    if (key.starts_with(kTensor)) {
      const std::string name = key.substr(std::strlen(kTensor));
      const TensorView* view = file.Find(name);
      if (view == nullptr) throw Error(path + ": tensor '" + name + "' is missing");
      stored.tensors[name] = ReadStored(*view, at::kFloat);
    }
    if (key.starts_with(kQuantizer)) {
      const std::string name = key.substr(std::strlen(kQuantizer));
      const std::string place = path + ": quantizer '" + name + "'";
      stored.quantizers[name] = ReadQuantizer(file, name, text, place);
    }
    if (!key.starts_with(kSpec)) continue;
    const std::string name = key.substr(std::strlen(kSpec));
    const std::string place = path + ": layer '" + name + "'";
    QuantizedWeight weight;
    weight.spec = ReadQuantSpec(text, place);
    for (const QuantizedWeight::Part& part : weight.Parts()) {
      const std::string stored_name = name + "." + part.name;
      const TensorView* view = file.Find(stored_name);
      // A bias may be the model's own, which a transform has changed.
      const bool own = file.metadata().count(kTensor + stored_name) > 0;
      if (view != nullptr && !own) *part.tensor = ReadStored(*view, part.dtype);
    }
    const std::string problem = FormProblem(weight);
    if (!problem.empty()) throw Error(place + ": " + problem);
    stored.layers.emplace(name, std::move(weight));
  }
  return stored;
}

}  // namespace roundlab
