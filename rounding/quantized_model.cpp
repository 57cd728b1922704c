#include "rounding/quantized_model.h"

#include <ATen/ATen.h>

#include <cmath>
#include <sstream>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/model/stored_tensor.h"

namespace roundlab {
namespace {

std::string CacheName(std::int64_t block, const char* what) {
  return "blocks." + std::to_string(block) + "." + what;
}

constexpr const char* kKeys = "keys";
constexpr const char* kKeysBeforeRotary = "keys_before_rotary";
constexpr const char* kValues = "values";

}  // namespace

std::map<std::string, ActivationQuantizer> QuantizersOf(DecoderBlock* block) {
  std::map<std::string, ActivationQuantizer> found;
  const auto add = [&](const std::string& name,
                       const std::shared_ptr<const ActivationQuantizer>& quantizer) {
    if (quantizer != nullptr) found[name] = quantizer->To(at::kCPU);
  };
  for (const LinearSlot* slot : block->Linears()) add(slot->name, slot->quantizer);
  const CacheSlot& cache = block->cache;
  add(CacheName(block->index, cache.before_rotary ? kKeysBeforeRotary : kKeys), cache.keys);
  add(CacheName(block->index, kValues), cache.values);
  return found;
}

std::vector<std::string> CacheNames(std::int64_t block) {
  return {CacheName(block, kKeys), CacheName(block, kKeysBeforeRotary), CacheName(block, kValues)};
}

void QuantizedModel::Add(const std::string& name, QuantizedWeight weight) {
  order_.push_back(name);
  const bool added = layers_.emplace(name, std::move(weight)).second;
  ROUNDLAB_CHECK(added, "layer '" + name + "' is rounded twice");
}

void QuantizedModel::AddTensor(const std::string& name, at::Tensor tensor) {
  tensors_.insert_or_assign(name, std::move(tensor));
}

void QuantizedModel::AddQuantizer(const std::string& name, ActivationQuantizer quantizer) {
  quantizers_.insert_or_assign(name, std::move(quantizer));
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
      hash.Update(BytesOf(*part.tensor));
    }
  }
  for (const auto& [name, tensor] : tensors_) {
    hash.Update(name + "\n");
    hash.Update(BytesOf(tensor));
  }
  for (const auto& [name, quantizer] : quantizers_) {
    hash.Update("quantizer " + name + " " + SpecText(quantizer.spec) + "\n");
    ActivationQuantizer all = quantizer;
    for (const ActivationQuantizer::Part& part : all.Parts()) {
      if (part.tensor->defined()) hash.Update(BytesOf(*part.tensor));
    }
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

void QuantizedModel::ApplyTo(DecoderBlock* block, const at::Device& device) const {
  const auto replace = [this](const std::string& name, at::Tensor* tensor) {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) *tensor = found->second;
  };
  const auto give = [this](const std::string& name,
                           std::shared_ptr<const ActivationQuantizer>* quantizer) {
    const auto found = quantizers_.find(name);
    if (found == quantizers_.end()) return false;
    *quantizer = std::make_shared<const ActivationQuantizer>(found->second);
    return true;
  };
  if (give(CacheName(block->index, kKeys), &block->cache.keys)) block->cache.before_rotary = false;
  if (give(CacheName(block->index, kKeysBeforeRotary), &block->cache.keys)) {
    block->cache.before_rotary = true;
  }
  give(CacheName(block->index, kValues), &block->cache.values);
  for (NormSlot* norm : block->Norms()) {
    replace(norm->name + ".weight", &norm->weight);
    replace(norm->name + ".bias", &norm->bias);
  }
  for (LinearSlot* slot : block->Linears()) {
    replace(slot->name + ".weight", &slot->weight);
    replace(slot->name + ".bias", &slot->bias);
    give(slot->name, &slot->quantizer);
    const auto found = layers_.find(slot->name);
    if (found == layers_.end()) continue;
    slot->weight = found->second.To(device).Dequantize();  // codes travel, and are decoded there
    if (found->second.bias.defined()) slot->bias = found->second.bias;
  }
}

}  // namespace roundlab
