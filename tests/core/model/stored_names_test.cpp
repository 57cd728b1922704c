#include "core/model/stored_names.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/formats/safetensors.h"
#include "core/model/families/llama.h"
#include "core/model/model.h"
#include "core/model/trainable.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

/// A tiny llama's folder whose tensors are changed before they are written again.
class StoredNamesTest : public ::testing::Test {
 protected:
  struct Stored {
    ElementType type;
    std::vector<std::int64_t> shape;
    std::string bytes;
  };
  using Tensors = std::map<std::string, Stored>;

  void SetUp() override {
    ModelDescription d;
    UseLlamaPlans(&d);
    d.family = "llama";
    d.hidden = 16;
    d.intermediate = 24;
    d.layers = 2;
    d.heads = d.kv_heads = 2;
    d.head_dim = 8;
    d.vocab = 20;
    d.max_positions = 8;
    d.windows = {0, 0};
    TrainableModel(d, 1).Save(folder_.path(), at::kFloat);
    const SafetensorsFile file(folder_ / "model.safetensors");
    for (const TensorView& view : file.tensors()) {
      const auto* bytes = reinterpret_cast<const char*>(view.bytes.data());
      tensors_[view.name] = {view.type, view.shape, {bytes, view.bytes.size()}};
    }
    expected_ = Logits();
  }

  void Write(const Tensors& tensors) const {
    std::vector<TensorToWrite> list;
    for (const auto& [name, t] : tensors) {
      list.push_back({name, t.type, t.shape, std::as_bytes(std::span(t.bytes))});
    }
    WriteSafetensors(folder_ / "model.safetensors", list);
  }
  void SetConfig(const std::string& key, const nlohmann::json& value) const {
    auto config = nlohmann::json::parse(ReadFile(folder_ / "config.json"));
    config[key] = value;
    folder_.Write("config.json", config.dump());
  }
  at::Tensor Logits() const {
    return LanguageModel(ModelFiles(folder_.path()), at::kFloat)
        .Logits(at::tensor({3, 1, 4, 1, 5}, at::kLong).view({1, 5}));
  }
  std::string LoadError(const Tensors& tensors) const {
    Write(tensors);
    return ErrorOf([&] { ModelFiles{folder_.path()}; });
  }
  static Stored Vector(std::int64_t n) {
    return {ElementType::kF32, {n}, std::string(static_cast<std::size_t>(4 * n), '\0')};
  }
  std::string file() const { return folder_ / "model.safetensors"; }

  const TempFolder folder_;
  Tensors tensors_;
  at::Tensor expected_;
};

TEST_F(StoredNamesTest, APrefixMoreOrLessIsTheSameModel) {
  Tensors bare;
  Tensors more;
  for (const auto& [name, t] : tensors_) {
    const bool base = name.starts_with("model.");
    bare[base ? name.substr(6) : name] = t;
    more["model." + name] = t;
  }
  for (const Tensors& tensors : {bare, more}) {
    Write(tensors);
    EXPECT_TRUE(Logits().equal(expected_));
  }
}

TEST_F(StoredNamesTest, ATiedHeadMayBeThereAloneOrTwice) {
  SetConfig("tie_word_embeddings", true);
  const Stored shared = tensors_.at("model.embed_tokens.weight");
  Tensors alone = tensors_;
  alone.erase("model.embed_tokens.weight");
  alone["lm_head.weight"] = shared;
  Write(alone);
  const at::Tensor by_head = Logits();
  Tensors twice = alone;
  twice["embed_tokens.weight"] = shared;
  Write(twice);
  EXPECT_TRUE(Logits().equal(by_head));
  EXPECT_EQ(LoadError(tensors_), file() +
                                     ": tensor 'lm_head.weight' differs from "
                                     "'model.embed_tokens.weight', but config.json has "
                                     "tie_word_embeddings: true");
}

TEST_F(StoredNamesTest, EachTensorIsNeeded) {
  for (const auto& [name, t] : tensors_) {
    Tensors fewer = tensors_;
    fewer.erase(name);
    Write(fewer);
    EXPECT_EQ(ErrorOf([&] { Logits(); }), folder_.path() + ": tensor '" + name + "' is missing");
  }
}

TEST_F(StoredNamesTest, NamesOfAWrappedModelAreTold) {
  Tensors wrapped;
  for (const auto& [name, t] : tensors_) wrapped["_orig_mod." + name] = t;
  Write(wrapped);
  const std::string name = "model.embed_tokens.weight";
  EXPECT_EQ(ErrorOf([&] { Logits(); }),
            folder_.path() + ": tensor '" + name + "' is missing; there is '_orig_mod." + name +
                "': take '_orig_mod.' off the names of a wrapped model");
}

TEST_F(StoredNamesTest, BiasesThatTheConfigDoesNotTellOfAreErrors) {
  for (const auto& [name, t] : tensors_) {
    const std::string bias = name.substr(0, name.rfind('.')) + ".bias";
    Tensors more = tensors_;
    more[bias] = Vector(t.shape.front());
    EXPECT_EQ(LoadError(more), file() + ": tensor '" + bias +
                                   "' is a bias, but the model is said to have none there");
    if (!name.starts_with("model.")) continue;
    more.erase(bias);
    more[bias.substr(6)] = Vector(t.shape.front());
    EXPECT_NE(LoadError(more), "");
  }
}

TEST_F(StoredNamesTest, NormsAndBlocksTooManyAreErrors) {
  Tensors more = tensors_;
  more["model.layers.1.self_attn.q_norm.weight"] = Vector(8);
  EXPECT_EQ(LoadError(more),
            file() +
                ": tensor 'model.layers.1.self_attn.q_norm.weight' has no place in the llama "
                "model that is described");
  SetConfig("num_hidden_layers", 1);
  EXPECT_EQ(LoadError(tensors_),
            file() +
                ": tensor 'model.layers.1.input_layernorm.weight' is of block 1, but the model is "
                "said to have 1 blocks");
}

TEST_F(StoredNamesTest, TwoTensorsOfOneNameAreAnError) {
  Tensors more = tensors_;
  more["norm.weight"] = tensors_.at("model.norm.weight");
  EXPECT_EQ(LoadError(more), file() +
                                 ": tensors 'model.norm.weight' and 'norm.weight' are both the "
                                 "model's 'model.norm.weight'");
}

TEST_F(StoredNamesTest, BuffersAndOtherPartsAreNotInTheWay) {
  Tensors more = tensors_;
  more["model.layers.0.self_attn.rotary_emb.inv_freq"] = Vector(4);
  more["model.layers.0.self_attn.rotary_emb.cos_cached"] = Vector(4);
  more["model.layers.0.attention.bias"] = {ElementType::kU8, {1, 1, 2, 2}, std::string(4, '\1')};
  more["model.layers.0.attention.masked_bias"] = {ElementType::kF32, {}, std::string(4, '\0')};
  more["model.embed_positions.weights"] = Vector(4);
  more["model.counts"] = {ElementType::kU32, {1}, std::string(4, '\0')};
  more["model.scale"] = {ElementType::kF8E4M3, {1}, std::string(1, '\0')};
  more["model.layers.0.seen"] = {ElementType::kI64, {1}, std::string(8, '\0')};
  more["value_head.weight"] = Vector(16);
  Write(more);
  EXPECT_TRUE(Logits().equal(expected_));
  EXPECT_EQ(ModelFiles(folder_.path()).Unused(),
            (std::vector<std::string>{"model.counts", "model.layers.0.seen", "model.scale",
                                      "value_head.weight"}));
}

TEST_F(StoredNamesTest, BlocksThatPredictFurtherTokensAreNotInTheWay) {
  SetConfig("model_type", "glm4_moe");
  SetConfig("first_k_dense_replace", 2);  // no experts
  const at::Tensor without = Logits();
  Tensors more = tensors_;
  const std::string block = "model.layers.2.";
  more[block + "eh_proj.weight"] = Vector(16);
  more[block + "mlp.up_proj.weight"] = {ElementType::kF8E4M3, {1}, std::string(1, '\0')};
  EXPECT_EQ(LoadError(more),
            file() +
                ": tensor 'model.layers.2.eh_proj.weight' is of block 2, but the model is said to "
                "have 2 blocks");
  more[block + "mlp.up_proj.weight_scale_inv"] = Vector(1);
  SetConfig("num_nextn_predict_layers", 1);
  Write(more);
  EXPECT_TRUE(Logits().equal(without));
  EXPECT_EQ(ModelFiles(folder_.path()).Unused(),
            (std::vector<std::string>{"model.layers.2.* (3 tensors)"}));
  more["model.layers.3.eh_proj.weight"] = Vector(16);
  EXPECT_NE(LoadError(more), "");
}

TEST_F(StoredNamesTest, WeightsOfATypeThatIsNotReadAreErrors) {
  Tensors other = tensors_;
  other["model.norm.weight"] = {ElementType::kF8E4M3, {16}, std::string(16, '\0')};
  Write(other);
  EXPECT_EQ(ErrorOf([&] { Logits(); }),
            file() +
                ": tensor 'model.norm.weight' is F8_E4M3, expected weights (F32, F16, BF16, F64, "
                "Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, "
                "IQ4_XS)");
}

TEST_F(StoredNamesTest, ShapesMustBeThoseOfTheConfig) {
  SetConfig("intermediate_size", 32);
  EXPECT_EQ(ErrorOf([&] { Logits(); }),
            file() +
                ": tensor 'model.layers.0.mlp.gate_proj.weight' has shape [24, 16], expected [32, "
                "16]");
}

TEST_F(StoredNamesTest, WhatIsQuantizedAlreadyIsCalledThat) {
  Tensors packed = tensors_;
  packed.erase("model.layers.0.mlp.up_proj.weight");
  packed["model.layers.0.mlp.up_proj.qweight"] = {ElementType::kI32, {1}, std::string(4, '\0')};
  EXPECT_EQ(LoadError(packed),
            file() +
                ": tensor 'model.layers.0.mlp.up_proj.qweight': the model is quantized already; "
                "expected one in full precision");
  SetConfig("quantization_config", {{"quant_method", "gptq"}, {"bits", 4}});
  EXPECT_EQ(LoadError(packed),
            folder_.path() + "/config.json" +
                ": quantization_config: the model is quantized already (quant_method: gptq); "
                "expected one in full precision");
}

TEST_F(StoredNamesTest, ReadsMatricesOfEightBitsWithTheirFactors) {
  SetConfig("quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}});
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  Tensors tensors = tensors_;
  tensors[name] = {ElementType::kF8E4M3, {24, 16}, std::string(24 * 16, '\x3c')};  // 1.5
  const std::uint16_t quarter = 0x3e80;                                            // bfloat16
  const std::string factor(reinterpret_cast<const char*>(&quarter), 2);
  tensors[name + "_scale_inv"] = {ElementType::kBF16, {1, 1}, factor};
  Write(tensors);
  const ModelFiles files(folder_.path());
  LanguageModel(files, at::kFloat, [&](DecoderBlock* block) {
    for (const LinearSlot* slot : block->Linears()) {
      if (slot->name + ".weight" != name) continue;
      EXPECT_TRUE(at::equal(slot->weight, at::full({24, 16}, 0.375F)));
    }
  });
  EXPECT_TRUE(files.Unused().empty());
  const std::string hash = files.Fingerprint();
  tensors[name + "_scale_inv"].bytes[0] = '\x01';
  Write(tensors);
  EXPECT_NE(ModelFiles(folder_.path()).Fingerprint(), hash);

  const std::string no_factors = file() + ": tensor '" + name + "' is F8_E4M3, expected weights";
  tensors.erase(name + "_scale_inv");
  EXPECT_EQ(LoadError(tensors).substr(0, no_factors.size()), no_factors);
  tensors = tensors_;  // factors of a matrix that is not of eight bits
  tensors[name + "_scale_inv"] = {ElementType::kBF16, {1, 1}, factor};
  EXPECT_EQ(LoadError(tensors), file() + ": tensor '" + name +
                                    "_scale_inv': the model is quantized already; expected one in "
                                    "full precision");
  SetConfig("quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {64, 64}}});
  EXPECT_EQ(LoadError(tensors_), folder_.path() +
                                     "/config.json: quantization_config: weight_block_size [64, "
                                     "64]; expected [128, 128]");
}

}  // namespace
}  // namespace roundlab
