#include "core/model/families/gemma4.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/model/families.h"
#include "core/model/plan.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;

json Gemma4Config(const json& change = json::object()) {
  json config = {{"model_type", "gemma4_text"},
                 {"hidden_size", 64},
                 {"intermediate_size", 96},
                 {"num_hidden_layers", 3},
                 {"vocab_size", 50},
                 {"num_attention_heads", 8},
                 {"num_key_value_heads", 4},
                 {"head_dim", 16},
                 {"sliding_window", 7},
                 {"global_head_dim", 32},
                 {"top_k_experts", 2},
                 {"num_experts", 3},
                 {"moe_intermediate_size", 24},
                 {"hidden_size_per_layer_input", 0}};
  config["layer_types"] = {"sliding_attention", "full_attention", "full_attention"};
  config.update(change);
  return config;
}

ModelDescription Gemma4(const json& change = json::object()) {
  return DescribeHuggingFace(Gemma4Config(change).dump(), "config.json");
}

std::string Gemma4Refused(const json& change) {
  return ErrorOf([&] { Gemma4(change); });
}

using Shape = std::vector<std::int64_t>;

TEST(Gemma4Test, LayersThatSeeAllKeysHaveWiderHeads) {
  const ModelDescription d = Gemma4();
  EXPECT_EQ(d.LinearShapes(0)[1], (Shape{4 * 16, 64}));
  EXPECT_EQ(d.LinearShapes(1)[0], (Shape{8 * 32, 64}));
  EXPECT_EQ(d.LinearShapes(1)[1], (Shape{4 * 32, 64}));
  EXPECT_EQ(d.windows, (std::vector<std::int64_t>{7, 0, 0}));
  EXPECT_EQ(d.Plan(0).attention.rope, 1U);
  EXPECT_EQ(d.Plan(1).attention.rope, 0U);
  EXPECT_EQ(d.Plan(1).attention.rotary_dim, 32);
  EXPECT_EQ(d.rope.type, RopeType::kProportional);
  EXPECT_EQ(d.rope.share, 0.25);
}

// num_global_key_value_heads counts where keys are the values, as in transformers.
TEST(Gemma4Test, KeysMayBeTheValues) {
  const json fewer = {{"num_global_key_value_heads", 2}};
  EXPECT_EQ(Gemma4(fewer).LinearShapes(1)[1], (Shape{4 * 32, 64}));
  const ModelDescription d =
      Gemma4({{"num_global_key_value_heads", 2}, {"attention_k_eq_v", true}});
  EXPECT_EQ(d.LinearShapes(1)[1], (Shape{2 * 32, 64}));
  EXPECT_EQ(d.LinearNames(1)[2], "model.layers.1.self_attn.o_proj");
  EXPECT_EQ(d.LinearNames(0)[2], "model.layers.0.self_attn.v_proj");
  EXPECT_TRUE(d.Plan(1).MakesValues(LinearRole::kKey));
  EXPECT_FALSE(d.Plan(0).MakesValues(LinearRole::kKey));
}

TEST(Gemma4Test, WhatTransformersWritesForEachLayerIsTheSame) {
  const json heads = {{"head_dim", 32}, {"num_key_value_heads", 2}};
  const json more = {{"attention_k_eq_v", true}, {"global_head_dim", 100}};
  json config = more;
  config["per_layer_config"] = {{"1", heads}, {"2", heads}};
  const ModelDescription d = Gemma4(config);
  EXPECT_EQ(d.LinearShapes(2)[0], (Shape{8 * 32, 64}));
  EXPECT_EQ(d.LinearShapes(2)[1], (Shape{2 * 32, 64}));
  EXPECT_EQ(d.LinearShapes(0)[1], (Shape{4 * 16, 64}));
  config["per_layer_config"] = {{"1", heads}};
  EXPECT_EQ(Gemma4Refused(config),
            "config.json: per_layer_config: layer 2 has other heads than those of its kind before "
            "it, which is not supported");
}

TEST(Gemma4Test, ExpertsStandBesideTheMlp) {
  const ModelDescription d = Gemma4({{"enable_moe_block", true}});
  const BlockPlan plan = d.Plan(0);
  ASSERT_TRUE(plan.ExpertsAside());
  EXPECT_EQ(plan.mlp.experts->router_scale, "model.layers.0.router.scale");
  const NormPlan* mlp = plan.Norm(NormPlace::kBeforeMlp);
  const NormPlan* experts = plan.Norm(NormPlace::kBeforeExperts);
  EXPECT_EQ(mlp->feeds.size(), 1U);
  EXPECT_EQ(experts->feeds.size(), 3U);
  for (const std::size_t input : experts->feeds) EXPECT_NE(input, mlp->feeds[0]);
  EXPECT_FALSE(Gemma4().Plan(0).ExpertsAside());
}

TEST(Gemma4Test, WhatItsLayersCannotDoIsRefused) {
  EXPECT_EQ(Gemma4Refused({{"hidden_size_per_layer_input", 256}}),
            "config.json: hidden_size_per_layer_input: 256 is not supported (allowed: 0): layers "
            "with embeddings of their own, of which Gemma 4 E2B and E4B are");
  EXPECT_EQ(Gemma4Refused({{"num_kv_shared_layers", 2}}),
            "config.json: num_kv_shared_layers: 2 is not supported (allowed: 0)");
  EXPECT_EQ(Gemma4Refused({{"attention_k_eq_v", true}, {"num_global_key_value_heads", 3}}),
            "config.json: num_global_key_value_heads 3 does not divide num_attention_heads 8");
  EXPECT_EQ(Gemma4Refused({{"global_head_dim", 33}}), "config.json: global_head_dim 33 is odd");
  EXPECT_NE(Gemma4Refused({{"use_bidirectional_attention", "all"}}), "");
  EXPECT_EQ(Gemma4({{"use_bidirectional_attention", "vision"}}).layers, 3);  // of images alone
  EXPECT_EQ(Gemma4Refused({{"enable_moe_block", true}, {"top_k_experts", 4}}).substr(0, 12),
            "config.json:");
}

}  // namespace
}  // namespace roundlab
