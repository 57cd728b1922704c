#include "rounding/quantized_model.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <sstream>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/formats/safetensors.h"

namespace roundlab {
namespace {

std::span<const std::byte> Bytes(const at::Tensor& t) {
  ROUNDLAB_CHECK(t.is_contiguous(), "tensor must be contiguous");
  return {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()};
}

at::Tensor FromFile(const SafetensorsFile& file, const std::string& name, at::ScalarType dtype) {
  const TensorView* view = file.Find(name);
  if (view == nullptr) throw Error("checkpoint file lacks tensor '" + name + "'");
  at::Tensor tensor = at::empty(view->shape, dtype);
  if (tensor.nbytes() != view->bytes.size()) {
    throw Error(view->file + ": tensor '" + name + "' has another type than it should");
  }
  std::memcpy(tensor.mutable_data_ptr(), view->bytes.data(), view->bytes.size());
  return tensor;
}

}  // namespace

void QuantizedModel::Add(const std::string& name, QuantizedWeight weight) {
  order_.push_back(name);
  const bool added = layers_.emplace(name, std::move(weight)).second;
  ROUNDLAB_CHECK(added, "layer '" + name + "' is rounded twice");
}

std::string QuantizedModel::CodesSha256() const {
  Sha256 hash;
  for (const std::string& name : order_) {
    const QuantizedWeight& w = layers_.at(name);
    hash.Update(name + " " + std::to_string(w.codes.size(0)) + " " +
                std::to_string(w.codes.size(1)) + " " + std::to_string(w.bits) + " " +
                std::to_string(w.group_size) + "\n");
    for (const at::Tensor& part : {w.codes, w.scale, w.zero}) hash.Update(Bytes(part));
  }
  return hash.HexDigest();
}

double QuantizedModel::BitsPerWeight() const {
  double bits = 0;
  double weights = 0;
  for (const auto& [name, w] : layers_) {
    bits += w.BitsPerWeight() * static_cast<double>(w.codes.numel());
    weights += static_cast<double>(w.codes.numel());
  }
  return weights > 0 ? bits / weights : std::nan("");
}

void QuantizedModel::ApplyTo(DecoderBlock* block) const {
  for (LinearSlot* slot : block->Linears()) {
    const auto found = layers_.find(slot->name);
    if (found != layers_.end()) slot->weight = found->second.Dequantize();
  }
}

void SaveWeights(const std::string& path, const std::map<std::string, QuantizedWeight>& weights) {
  std::vector<TensorToWrite> tensors;
  std::map<std::string, std::string> metadata;
  const auto add = [&](const std::string& name, ElementType type, const at::Tensor& t) {
    tensors.push_back({name, type, t.sizes().vec(), Bytes(t)});
  };
  for (const auto& [name, w] : weights) {
    add(name + ".codes", ElementType::kU8, w.codes);
    add(name + ".scale", ElementType::kF32, w.scale);
    add(name + ".zero", ElementType::kF32, w.zero);
    metadata[name] = std::to_string(w.bits) + " " + std::to_string(w.group_size);
  }
  WriteSafetensors(path, tensors, metadata);
}

std::map<std::string, QuantizedWeight> LoadWeights(const std::string& path) {
  const SafetensorsFile file(path);
  std::map<std::string, QuantizedWeight> weights;
  for (const auto& [name, text] : file.metadata()) {
    QuantizedWeight w;
    std::istringstream in(text);
    if (!(in >> w.bits >> w.group_size)) throw Error(path + ": bad metadata for '" + name + "'");
    w.codes = FromFile(file, name + ".codes", at::kByte);
    w.scale = FromFile(file, name + ".scale", at::kFloat);
    w.zero = FromFile(file, name + ".zero", at::kFloat);
    weights.emplace(name, std::move(w));
  }
  return weights;
}

}  // namespace roundlab
