#include "tests/support/tiny_model.h"

#include <cmath>
#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <span>

#include "core/formats/safetensors.h"

namespace roundlab::testing {
namespace {

constexpr std::int64_t kHidden = 32;
constexpr std::int64_t kInner = 48;
constexpr std::int64_t kVocab = 256;

/// Tensors to write, with what they point to.
class Tensors {
 public:
  void Add(const std::string& name, std::vector<std::int64_t> shape, float scale) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    auto& values = values_.emplace_back();
    for (std::int64_t i = 0; i < count; ++i) {
      // Sum of uniforms: std::normal_distribution differs between libraries.
      float sum = 0;
      for (int k = 0; k < 4; ++k) sum += static_cast<float>(engine_() >> 8) * 0x1p-24F - 0.5F;
      values.push_back(shape.size() == 1 ? 1 : scale * sum);
    }
    list_.push_back(
        {name, ElementType::kF32, std::move(shape), std::as_bytes(std::span<const float>(values))});
  }
  std::vector<float>& last() { return values_.back(); }
  /// Those of the last tensor whose name ends so.
  std::vector<float>& LastOf(const std::string& end) {
    std::size_t at = list_.size();
    while (at > 0 && !list_[at - 1].name.ends_with(end)) --at;
    return values_.at(at - 1);
  }
  const std::vector<TensorToWrite>& list() const { return list_; }

 private:
  std::mt19937 engine_{20260117};
  std::deque<std::vector<float>> values_;  // keeps its elements in place
  std::vector<TensorToWrite> list_;
};

/// GPT-2's letter for a byte, in UTF-8.
std::string ByteLetter(int byte, int* unprintable) {
  const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const int point = printable ? byte : 256 + (*unprintable)++;
  if (point < 128) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xC0 | (point >> 6)), static_cast<char>(0x80 | (point & 0x3F))};
}

std::string TokenizerJson() {
  nlohmann::json vocab;
  int unprintable = 0;
  for (int byte = 0; byte < 256; ++byte) vocab[ByteLetter(byte, &unprintable)] = byte;
  const nlohmann::json bytes = {{"type", "ByteLevel"},
                                {"add_prefix_space", false},
                                {"trim_offsets", true},
                                {"use_regex", false}};
  return nlohmann::json(
             {{"version", "1.0"},
              {"added_tokens", nlohmann::json::array()},
              {"normalizer", nullptr},
              {"pre_tokenizer", bytes},
              {"post_processor", nullptr},
              {"decoder", bytes},
              {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}}})
      .dump();
}

}  // namespace

void TinyModel::Write(const std::string& folder) const {
  std::filesystem::create_directories(folder);
  const nlohmann::json config = {
      {"model_type", "llama"},       {"hidden_size", kHidden},
      {"intermediate_size", kInner}, {"num_hidden_layers", layers},
      {"num_attention_heads", 4},    {"num_key_value_heads", 2},
      {"vocab_size", kVocab},        {"max_position_embeddings", context},
      {"tie_word_embeddings", true}, {"attention_bias", biases}};
  std::ofstream(folder + "/config.json") << config.dump(2);
  std::ofstream(folder + "/tokenizer.json") << TokenizerJson();
  Tensors tensors;
  tensors.Add("model.embed_tokens.weight", {kVocab, kHidden}, 1);
  tensors.Add("model.norm.weight", {kHidden}, 1);
  const auto scale = [](std::int64_t inputs) { return 2 / std::sqrt(static_cast<float>(inputs)); };
  for (int i = 0; i < layers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    tensors.Add(prefix + "input_layernorm.weight", {kHidden}, 1);
    tensors.Add(prefix + "post_attention_layernorm.weight", {kHidden}, 1);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      const bool half = name[0] == 'k' || name[0] == 'v';
      const std::int64_t out = half ? kHidden / 2 : kHidden;
      const std::string layer = prefix + "self_attn." + name;
      tensors.Add(layer + ".weight", {out, kHidden}, scale(kHidden));
      if (biases) tensors.Add(layer + ".bias", {out}, 1);
    }
    tensors.Add(prefix + "mlp.gate_proj.weight", {kInner, kHidden}, scale(kHidden));
    tensors.Add(prefix + "mlp.up_proj.weight", {kInner, kHidden}, scale(kHidden));
    tensors.Add(prefix + "mlp.down_proj.weight", {kHidden, kInner}, scale(kInner));
  }
  if (loud != 0) {
    for (float& weight : tensors.LastOf(loud_layer + ".weight"))
      weight = std::copysign(loud, weight);
  }
  if (nan) tensors.last()[7] = std::nanf("");
  if (largest != 0) tensors.last()[7] = largest;
  WriteSafetensors(folder + "/model.safetensors", tensors.list());
}

std::string RandomText(std::size_t bytes, unsigned seed) {
  std::mt19937 engine(seed);
  std::string text;
  while (text.size() < bytes) {
    const auto draw = engine() % 32;
    text += draw < 26 ? static_cast<char>('a' + draw) : ' ';
  }
  return text;
}

}  // namespace roundlab::testing
