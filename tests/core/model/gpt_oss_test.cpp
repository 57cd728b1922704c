#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "core/model/families.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using nlohmann::json;

ModelDescription Described(const json& change, const std::string& family = "gpt_oss") {
  json config = {
      {"model_type", family},     {"hidden_size", 64},        {"vocab_size", 100},
      {"intermediate_size", 32},  {"num_hidden_layers", 3},   {"head_dim", 8},
      {"num_attention_heads", 8}, {"num_key_value_heads", 2}, {"max_position_embeddings", 64}};
  config.update(change);
  return DescribeHuggingFace(config.dump(), "config.json");
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

}  // namespace
}  // namespace roundlab
