#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/model/families.h"
#include "core/model/loader.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/write_tensors.h"

namespace roundlab {
namespace {

using nlohmann::json;

std::string Config(const json& change, const std::string& family = "gpt_oss") {
  json config = {
      {"model_type", family},     {"hidden_size", 64},        {"vocab_size", 100},
      {"intermediate_size", 32},  {"num_hidden_layers", 3},   {"head_dim", 8},
      {"num_attention_heads", 8}, {"num_key_value_heads", 2}, {"max_position_embeddings", 64}};
  config.update(change);
  return config.dump();
}

ModelDescription Described(const json& change, const std::string& family = "gpt_oss") {
  return DescribeHuggingFace(Config(change, family), "config.json");
}

std::string Refusal(const json& change, const std::string& family = "gpt_oss") {
  return testing::ErrorOf([&] { Described(change, family); });
}

TEST(GptOssTest, WhereTheConfigIsSilentItIsAsTransformersHasIt) {
  const ModelDescription d = Described(json::object());
  EXPECT_EQ(d.windows, (std::vector<std::int64_t>{128, 0, 128}));
  EXPECT_EQ(d.rope.type, RopeType::kYarn);
  EXPECT_EQ(d.rope.theta, 150000);
  EXPECT_FALSE(d.rope.truncate);
  const BlockPlan plan = d.Plan(1);
  EXPECT_EQ(plan.attention.sinks, "model.layers.1.self_attn.sinks");
  EXPECT_EQ(plan.mlp.experts->count, 128);
  EXPECT_EQ(plan.mlp.experts->used, 4);
  EXPECT_EQ(plan.mlp.clamp, 7);
}

TEST(GptOssTest, ExpertsLieTransposedButInMxFp4) {
  const auto down = [](const json& change) { return Described(change).Plan(0).linears.back(); };
  EXPECT_TRUE(down(json::object()).transposed);
  EXPECT_EQ(down(json::object()).stack, "model.layers.0.mlp.experts.down_proj");
  EXPECT_TRUE(down(json::object()).bias);
  EXPECT_FALSE(down({{"quantization_config", {{"quant_method", "mxfp4"}}}}).transposed);
}

TEST(GptOssTest, WhatWouldChangeTheResultIsRefused) {
  EXPECT_EQ(Refusal({{"hidden_act", "gelu"}}),
            "config.json: hidden_act: \"gelu\" is not supported (allowed: silu)");
  EXPECT_EQ(Refusal({{"swiglu_alpha", 1.5}}),
            "config.json: swiglu_alpha: 1.5 is not supported (allowed: 1.702)");
  EXPECT_EQ(Refusal({{"num_local_experts", 2}}),
            "config.json: num_experts_per_tok 4 is above the 2 experts");
  EXPECT_EQ(Refusal({{"quantization_config", {{"quant_method", "mxfp4"}}}}, "llama"),
            "config.json: quantization_config: the model is quantized already (quant_method: "
            "mxfp4); expected one in full precision");
}

TEST(GptOssTest, ExpertsShareOneCopyOfTheirBiases) {
  const testing::TempFolder folder;
  const std::string config = Config({{"num_hidden_layers", 1}, {"num_local_experts", 4}});
  folder.Write("config.json", config);
  const std::string stacks = "model.layers.0.mlp.experts.";
  std::map<std::string, at::Tensor> tensors = {
      {stacks + "gate_up_proj", at::zeros({4, 64, 64})},
      {stacks + "gate_up_proj_bias", at::arange(4, at::kFloat).unsqueeze(1).repeat({1, 64})},
      {stacks + "down_proj", at::zeros({4, 32, 64})},
      {stacks + "down_proj_bias", at::zeros({4, 64})}};
  for (const StoredPlan& plan : StoredPlans(DescribeHuggingFace(config, "config.json"))) {
    tensors.emplace(plan.name, at::zeros(plan.shape));
  }
  testing::WriteTensors(folder / "model.safetensors", tensors);

  const auto block = ModelFiles(folder.path()).LoadBlock(0);
  std::vector<at::Tensor> biases;
  for (const LinearSlot* slot : block->Linears()) {
    if (slot->name.find("gate_up_proj") != std::string::npos) biases.push_back(slot->bias);
  }
  ASSERT_EQ(biases.size(), 4);
  for (std::int64_t expert = 0; expert < 4; ++expert) {
    const at::Tensor& bias = biases[static_cast<std::size_t>(expert)];
    EXPECT_TRUE(bias.equal(at::full({64}, static_cast<float>(expert))));
    EXPECT_TRUE(bias.is_alias_of(biases.front()));
  }
}

}  // namespace
}  // namespace roundlab
