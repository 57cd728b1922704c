#include "core/model/loader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/model/families.h"

namespace roundlab {
namespace {

void CheckFolder(const std::string& path) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(path + ": no such model");
  if (fs::is_directory(path) && !fs::exists(path + "/config.json")) {
    throw Error(path + ": no config.json in this folder");
  }
}

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head.weight";

/// A tied head that the file has too must be the embedding. (transformers before 5 ties all the
/// same; 5.23 does not tie two that differ.)
void CheckTiedHead(const Checkpoint& checkpoint) {
  const TensorView* head = checkpoint.Find(kHead);
  const TensorView* embedding = checkpoint.Find(kEmbedding);
  if (head == nullptr || embedding == nullptr) return;
  const bool same = head->type == embedding->type && head->shape == embedding->shape &&
                    std::equal(head->bytes.begin(), head->bytes.end(), embedding->bytes.begin(),
                               embedding->bytes.end());
  if (same) return;
  throw Error(head->file + ": tensor '" + kHead + "' differs from '" + kEmbedding +
              "', but config.json has tie_word_embeddings: true");
}

}  // namespace

ModelFiles::ModelFiles(const std::string& path) : path_(path) {
  CheckFolder(path);
  // The description first: an unknown architecture is to be told even where weights are missing.
  if (std::filesystem::is_directory(path)) {
    description_ = DescribeHuggingFace(ReadFile(path + "/config.json"), path + "/config.json");
    checkpoint_ = OpenCheckpoint(path);
    if (description_.tied_head) CheckTiedHead(*checkpoint_);
  } else {
    checkpoint_ = OpenCheckpoint(path);
    description_ = DescribeGguf(*checkpoint_->gguf());
  }
  if (checkpoint_->gguf() != nullptr && checkpoint_->Find("rope_freqs.weight") != nullptr) {
    const at::Tensor divisors = Read("rope_freqs.weight", {description_.head_dim / 2});
    description_.rope.divisors.assign(divisors.const_data_ptr<float>(),
                                      divisors.const_data_ptr<float>() + divisors.numel());
  }
}

at::Tensor ModelFiles::Read(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const TensorView* view = checkpoint_->Find(name);
  if (view == nullptr) throw Error(path_ + ": tensor '" + name + "' is missing");
  if (view->shape != shape) {
    throw Error(view->file + ": tensor '" + name + "' has shape " + ShapeText(view->shape) +
                ", expected " + ShapeText(shape));
  }
  at::Tensor tensor = at::empty(shape, at::kFloat);
  std::vector<std::int64_t> stored;
  std::vector<float> values;
  checkpoint_->Read(name, &stored, &values);
  std::memcpy(tensor.mutable_data_ptr<float>(), values.data(), values.size() * sizeof(float));
  return tensor;
}

std::string ModelFiles::Fingerprint() const {
  Sha256 hash;
  for (const std::string& name : checkpoint_->Names()) {
    const TensorView* view = checkpoint_->Find(name);
    hash.Update(name + " " + ElementTypeName(view->type) + " " + ShapeText(view->shape) + "\n");
    hash.Update(view->bytes);
  }
  return hash.HexDigest();
}

std::unique_ptr<DecoderBlock> ModelFiles::LoadBlock(std::int64_t index) const {
  const ModelDescription& d = description_;
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  auto block = std::make_unique<DecoderBlock>(d, index);
  block->norm1 = Read(prefix + "input_layernorm.weight", {d.hidden});
  block->norm2 = Read(prefix + "post_attention_layernorm.weight", {d.hidden});
  if (d.qk_norm) {
    block->q_norm = Read(prefix + "self_attn.q_norm.weight", {d.head_dim});
    block->k_norm = Read(prefix + "self_attn.k_norm.weight", {d.head_dim});
  }
  const auto shapes = d.LinearShapes();
  const std::vector<bool> biases = {d.qkv_bias, d.qkv_bias, d.qkv_bias, d.output_bias,
                                    d.mlp_bias, d.mlp_bias, d.mlp_bias};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    LinearSlot& slot = block->Slot(i);
    slot.weight = Read(slot.name + ".weight", shapes[i]);
    if (biases[i]) slot.bias = Read(slot.name + ".bias", {shapes[i][0]});
  }
  return block;
}

at::Tensor ModelFiles::Embedding() const {
  // A tied checkpoint may store the shared matrix under the head's name only.
  const bool only_head = description_.tied_head && checkpoint_->Find(kEmbedding) == nullptr;
  return Read(only_head ? kHead : kEmbedding, {description_.vocab, description_.hidden});
}

at::Tensor ModelFiles::Head() const {
  return Read(kHead, {description_.vocab, description_.hidden});
}

at::Tensor ModelFiles::FinalNorm() const {
  return Read("model.norm.weight", {description_.hidden});
}

}  // namespace roundlab
