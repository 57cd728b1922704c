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

}  // namespace

void QuantizedModel::Add(const std::string& name, QuantizedWeight weight) {
  order_.push_back(name);
  const bool added = layers_.emplace(name, std::move(weight)).second;
  ROUNDLAB_CHECK(added, "layer '" + name + "' is rounded twice");
}

void QuantizedModel::AddTensor(const std::string& name, at::Tensor tensor) {
  tensors_.insert_or_assign(name, std::move(tensor));
}

std::string QuantizedModel::CodesSha256() const {
  Sha256 hash;
  for (const std::string& name : order_) {
    QuantizedWeight w = layers_.at(name);
    hash.Update(name + " " + std::to_string(w.codes.size(0)) + " " +
                std::to_string(w.codes.size(1)) + " " + std::to_string(w.spec.bits) + " " +
                std::to_string(w.spec.group_size) + (w.spec.axis == 0 ? " down\n" : "\n"));
    for (const QuantizedWeight::Part& part : w.Parts()) {
      if (!part.tensor->defined()) continue;
      const bool always =
          part.tensor == &w.codes || part.tensor == &w.scale || part.tensor == &w.zero;
      if (!always) hash.Update(std::string(part.name) + "\n");
      hash.Update(Bytes(*part.tensor));
    }
  }
  for (const auto& [name, tensor] : tensors_) {
    hash.Update(name + "\n");
    hash.Update(Bytes(tensor));
  }
  return hash.HexDigest();
}

double QuantizedModel::BitsPerWeight() const {
  double bits = 0;
  double weights = 0;
  for (const auto& [name, w] : layers_) {
    const auto count = static_cast<double>(w.Rows() * w.Columns());
    bits += w.BitsPerWeight() * count;
    weights += count;
  }
  return weights > 0 ? bits / weights : std::nan("");
}

void QuantizedModel::ApplyTo(DecoderBlock* block) const {
  const auto replace = [this](const std::string& name, at::Tensor* tensor) {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) *tensor = found->second;
  };
  for (NormSlot* norm : block->Norms()) {
    replace(norm->name + ".weight", &norm->weight);
    replace(norm->name + ".bias", &norm->bias);
  }
  for (LinearSlot* slot : block->Linears()) {
    replace(slot->name + ".weight", &slot->weight);
    replace(slot->name + ".bias", &slot->bias);
    const auto found = layers_.find(slot->name);
    if (found == layers_.end()) continue;
    slot->weight = found->second.Dequantize();
    if (found->second.bias.defined()) slot->bias = found->second.bias;
  }
}

}  // namespace roundlab
