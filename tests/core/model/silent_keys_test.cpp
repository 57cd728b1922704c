#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/model/families.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;
using LayerWindows = std::vector<std::int64_t>;

/// A model of four small blocks whose config.json has `more`, too. What is expected here was seen
/// in likelihoods of transformers 5.24.
ModelDescription FourBlocks(const std::string& family, const json& more) {
  json config = {{"model_type", family},         {"hidden_size", 64},
                 {"intermediate_size", 96},      {"num_hidden_layers", 4},
                 {"num_attention_heads", 4},     {"vocab_size", 100},
                 {"max_position_embeddings", 32}};
  config.update(more);
  return DescribeHuggingFace(config.dump(), "config.json");
}

TEST(SilentKeysTest, APatternOfWindowsIsReadWhereTheFamilyHasOne) {
  const json pattern = {{"sliding_window", 8}, {"sliding_window_pattern", 3}};
  for (const char* family : {"gemma3_text", "cohere2", "exaone4"}) {
    EXPECT_EQ(FourBlocks(family, pattern).windows, (LayerWindows{8, 8, 0, 8})) << family;
  }
  EXPECT_EQ(FourBlocks("gemma2", pattern).windows, (LayerWindows{8, 0, 8, 0}));
  EXPECT_EQ(FourBlocks("gpt_oss", pattern).windows, (LayerWindows{8, 0, 8, 0}));
  EXPECT_EQ(FourBlocks("olmo3", pattern).windows, (LayerWindows{8, 8, 8, 0}));
}

TEST(SilentKeysTest, SmolLm3SlidesByLayerTypesAlone) {
  const json types = {"sliding_attention", "full_attention", "full_attention", "full_attention"};
  json config = {{"num_key_value_heads", 4}, {"sliding_window", 5}, {"layer_types", types}};
  EXPECT_EQ(FourBlocks("smollm3", config).windows, (LayerWindows{5, 0, 0, 0}));
  config.erase("layer_types");
  EXPECT_EQ(FourBlocks("smollm3", config).windows, (LayerWindows{0, 0, 0, 0}));
}

TEST(SilentKeysTest, Qwen2MoeSlidesWhereItsWindowIsUsed) {
  const auto windows = [](const char* second, const json& more) {
    json config = {{"num_key_value_heads", 4}, {"sliding_window", 5}};
    config["layer_types"] = {"full_attention", second, "full_attention", "full_attention"};
    config.update(more);
    return FourBlocks("qwen2_moe", config).windows;
  };
  EXPECT_EQ(windows("full_attention", json::object()), (LayerWindows{0, 0, 0, 0}));
  EXPECT_EQ(windows("full_attention", {{"use_sliding_window", false}}), (LayerWindows{0, 0, 0, 0}));
  EXPECT_EQ(windows("sliding_attention", {{"use_sliding_window", true}}),
            (LayerWindows{0, 5, 0, 0}));
  for (const json& more : {json::object(), json{{"use_sliding_window", false}}}) {
    EXPECT_EQ(ErrorOf([&] { windows("sliding_attention", more); }),
              "config.json: layer_types: sliding_attention contradicts use_sliding_window false");
  }
}

TEST(SilentKeysTest, GreedyExpertsHaveNoGroups) {
  json config = {{"num_experts_per_tok", 3},
                 {"n_routed_experts", 9},
                 {"n_group", 3},
                 {"topk_group", 2},
                 {"topk_method", "greedy"}};
  const auto groups = [&] { return FourBlocks("deepseek_v2", config).Plan(1).mlp.experts->groups; };
  EXPECT_EQ(groups(), 1);
  config["topk_method"] = "group_limited_greedy";
  EXPECT_EQ(groups(), 3);
}

TEST(SilentKeysTest, NeoXHasRotaryKeysOfItsOwn) {
  const json config = {{"rope_theta", 77}, {"partial_rotary_factor", 0.5}, {"rotary_pct", 0.25}};
  const ModelDescription model = FourBlocks("gpt_neox", config);
  EXPECT_EQ(model.rope.theta, 10000);
  EXPECT_EQ(model.rotary_dim, 4);
}

TEST(SilentKeysTest, PhiMoeTakesTwoExperts) {
  EXPECT_EQ(ErrorOf([] {
              FourBlocks("phimoe", {{"num_experts_per_tok", 3}});
            }),
            "config.json: num_experts_per_tok: 3 is not supported (allowed: 2)");
  const auto jitter = [](const json& more) {
    return FourBlocks("phimoe", more).Plan(0).mlp.experts->jitter;
  };
  EXPECT_EQ(jitter(json::object()), 0.01);
  EXPECT_EQ(jitter({{"router_jitter_noise", 0.0}}), 0);
}

TEST(SilentKeysTest, BlocksThatPredictFurtherTokensAreOtherParts) {
  for (const char* family : {"deepseek_v3", "glm4_moe", "glm4_moe_lite"}) {
    const auto others = [&](const json& more) {
      return FourBlocks(family, more).naming.other_parts;
    };
    EXPECT_EQ(others({{"num_nextn_predict_layers", 2}}),
              (std::vector<std::string>{"model.layers.4.", "model.layers.5."}));
    EXPECT_TRUE(others({{"num_nextn_predict_layers", 0}}).empty());
    EXPECT_THROW(others({{"num_nextn_predict_layers", 5}}), Error);
    EXPECT_TRUE(others(json::object()).empty());
  }
}

TEST(SilentKeysTest, ErnieHasDenseBlocksAroundThoseOfExperts) {
  json config = {{"moe_num_experts", 4}, {"moe_k", 2}, {"num_key_value_heads", 2}};
  const auto dense = [&](const json& more) {
    json keys = config;
    keys.update(more);
    const ModelDescription model = FourBlocks("ernie4_5_moe", keys);
    std::vector<bool> blocks;
    for (std::int64_t i = 0; i < 4; ++i) blocks.push_back(!model.Plan(i).mlp.experts.has_value());
    return blocks;
  };
  EXPECT_EQ(dense(json::object()), (std::vector<bool>{true, false, false, false}));
  EXPECT_EQ(dense({{"moe_layer_end_index", 2}}), (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(dense({{"moe_layer_interval", 2}}), (std::vector<bool>{true, false, true, false}));
  EXPECT_EQ(ErrorOf([&] {
              dense({{"moe_norm_min", 0.5}});
            }),
            "config.json: moe_norm_min: 0.5 is not supported (allowed: 1e-6 at most)");
}

TEST(SilentKeysTest, HunyuanMayTellBlocksHowManyExpertsTheyUse) {
  const auto used = [](const json& more) {
    json config = {{"num_experts", 4}};
    config.update(more);
    return FourBlocks("hunyuan_v1_moe", config).Plan(2).mlp.experts->used;
  };
  EXPECT_EQ(used(json::object()), 1);
  EXPECT_EQ(used({{"moe_topk", 3}}), 3);
  EXPECT_EQ(used({{"moe_topk", {1, 2, 4, 1}}}), 4);
  EXPECT_EQ(ErrorOf([&] {
              used({{"moe_topk", {1, 2}}});
            }),
            "config.json: moe_topk: expected 4 entries, got 2");
}

TEST(SilentKeysTest, MlpLayerTypesComeBeforeFirstDenseBlocks) {
  const json types = {"sparse", "dense", "sparse", "sparse"};
  for (const char* family : {"glm4_moe_lite", "exaone_moe"}) {
    json config = {{"num_key_value_heads", 4}, {"first_k_dense_replace", 1}};
    EXPECT_FALSE(FourBlocks(family, config).Plan(0).mlp.experts) << family;
    config["mlp_layer_types"] = types;
    EXPECT_TRUE(FourBlocks(family, config).Plan(0).mlp.experts) << family;
    EXPECT_FALSE(FourBlocks(family, config).Plan(1).mlp.experts) << family;
    config["mlp_layer_types"][1] = "moe";
    EXPECT_EQ(ErrorOf([&] { FourBlocks(family, config); }),
              "config.json: mlp_layer_types: unknown value \"moe\" (known: dense, sparse)");
  }
  EXPECT_EQ(ErrorOf([] {
              FourBlocks("glm4_moe_lite", {{"first_k_dense_replace", 2}});
            }),
            "config.json: first_k_dense_replace: 2 is not supported (allowed: 1)");
}

TEST(SilentKeysTest, MiniMaxTurnsRotaryDimDimensions) {
  const auto turned = [](const json& more) {
    json config = {{"num_key_value_heads", 4}, {"head_dim", 16}};
    config.update(more);
    return FourBlocks("minimax_m2", config).rotary_dim;
  };
  EXPECT_EQ(turned(json::object()), 16);
  EXPECT_EQ(turned({{"rotary_dim", 8}}), 8);
  EXPECT_EQ(turned({{"rotary_dim", 8}, {"partial_rotary_factor", 0.25}}), 4);
}

// All that config.json of gemma-3-4b says of the language model.
TEST(SilentKeysTest, Gemma3HasItsClassesSizes) {
  const json text = {{"model_type", "gemma3_text"},
                     {"hidden_size", 2560},
                     {"intermediate_size", 10240},
                     {"num_hidden_layers", 34},
                     {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                     {"sliding_window", 1024}};
  const json config = {{"model_type", "gemma3"}, {"text_config", text}};
  const ModelDescription model = DescribeHuggingFace(config.dump(), "config.json");
  EXPECT_EQ(model.heads, 8);
  EXPECT_EQ(model.kv_heads, 4);
  EXPECT_EQ(model.head_dim, 256);
  EXPECT_EQ(model.vocab, 262208);
  EXPECT_EQ(model.max_positions, 131072);
}

// The first conversions of LLaMA say max_sequence_length, which transformers does not read.
TEST(SilentKeysTest, LlamaHasItsClassesPositions) {
  const json config = {{"max_position_embeddings", nullptr}, {"max_sequence_length", 4096}};
  EXPECT_EQ(FourBlocks("llama", config).max_positions, 2048);
}

// Files for readers old and new say rope twice, and rope_theta where each looks for it.
TEST(SilentKeysTest, RopeMayBeSaidTwice) {
  const json scaling = {{"rope_type", "linear"}, {"factor", 2}};
  json parameters = scaling;
  parameters["rope_theta"] = 500;
  json config = {{"rope_scaling", scaling}, {"rope_parameters", parameters}, {"rope_theta", 500}};
  EXPECT_EQ(FourBlocks("llama", config).rope.theta, 500);
  for (const json& theta : {json(), json(400)}) {
    config["rope_theta"] = theta;
    EXPECT_EQ(ErrorOf([&] { FourBlocks("llama", config); }),
              "config.json: rope_scaling and rope_parameters are both there, and differ");
  }
}

// Where mscale_all_dim is 0 transformers takes it as absent.
TEST(SilentKeysTest, YarnsFactorsOfZeroAreAbsent) {
  const auto factor = [](const json& more) {
    json rope = {{"rope_type", "yarn"}, {"factor", 4}, {"mscale", 1}};
    rope.update(more);
    return FourBlocks("deepseek_v3", {{"rope_scaling", rope}}).rope.attention_factor;
  };
  EXPECT_EQ(factor({{"mscale_all_dim", 0}}), factor(json::object()));
  EXPECT_NE(factor({{"mscale_all_dim", 0.5}}), factor(json::object()));
}

// As the class has it: with rope_theta alone the key is not read.
TEST(SilentKeysTest, CwmHasItsClassesRopeAndWindows) {
  const ModelDescription model =
      FourBlocks("cwm", {{"num_key_value_heads", 4}, {"rope_theta", 77}});
  EXPECT_EQ(model.windows, (LayerWindows{0, 8192, 8192, 8192}));
  EXPECT_EQ(model.rope.type, RopeType::kLlama3);
  EXPECT_EQ(model.rope.theta, 1e6);
  EXPECT_EQ(model.rope.factor, 16);
  EXPECT_EQ(model.head_dim, 128);
  const json rope = {{"rope_type", "linear"}, {"factor", 2}};
  EXPECT_EQ(FourBlocks("cwm", {{"rope_scaling", rope}, {"num_key_value_heads", 4}}).rope.type,
            RopeType::kLinear);
}

TEST(SilentKeysTest, GraniteSwaHasTwoThetasAtMost) {
  const auto ropes = [](const json& thetas) {
    const ModelDescription model = FourBlocks("granite_swa", {{"layer_rope_theta", thetas}});
    std::vector<double> found;
    for (std::int64_t block = 0; block < 4; ++block) {
      const AttentionPlan attention = model.Plan(block).attention;
      const double theta = attention.rope == 0 ? model.rope.theta : model.local_rope->theta;
      found.push_back(attention.rotary == RotaryStyle::kNone ? 0 : theta);
    }
    return found;
  };
  using Thetas = std::vector<double>;
  EXPECT_EQ(ropes(nullptr), (Thetas{10000, 10000, 10000, 10000}));
  EXPECT_EQ(ropes({0, 500, 70, 500}), (Thetas{0, 500, 70, 500}));
  EXPECT_EQ(ErrorOf([&] {
              ropes({1, 2, 3, 0});
            }),
            "config.json: layer_rope_theta: more than two different numbers beside 0 are not "
            "supported");
  EXPECT_EQ(ErrorOf([&] {
              ropes({1, 2});
            }),
            "config.json: layer_rope_theta: expected 4 numbers of at least 0, got [1,2]");
}

TEST(SilentKeysTest, HyperClovaMultipliesLogits) {
  const auto logits = [](const char* family) {
    return FourBlocks(family, {{"logits_scaling", 0.5}}).Ends().logit_scale;
  };
  EXPECT_EQ(logits("hyperclovax"), 0.5);
  EXPECT_EQ(logits("granite"), 2);
  EXPECT_EQ(FourBlocks("hyperclovax", json::object()).Plan(0).attention.scale, 0.25);
}

TEST(SilentKeysTest, Ministral3TempersQueriesWhereItHasAStrength) {
  const auto temper = [](const json& more) {
    json config = {{"num_key_value_heads", 4}};
    config.update(more);
    const ModelDescription d = FourBlocks("ministral3", config);
    EXPECT_EQ(d.Plan(3).attention.tempered, d.temper.has_value());
    const auto found = d.temper.value_or(TemperDescription{0, 0, 0});
    return std::vector<double>{found.strength, found.positions, found.shift};
  };
  json rope = {{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 40}};
  EXPECT_EQ(temper(json::object()), (std::vector<double>{0.1, 16384, 0}));
  EXPECT_EQ(temper({{"rope_parameters", rope}}), (std::vector<double>{0, 0, 0}));
  rope["llama_4_scaling_beta"] = 0.3;
  EXPECT_EQ(temper({{"rope_parameters", rope}}), (std::vector<double>{0.3, 40, 0}));
}

/// Of each block: "r" with rotary positions, "c" of chunks, "t" tempered, "e" with experts.
std::string KindsOfLlama4(const json& more) {
  json config = {{"num_key_value_heads", 4}, {"attention_chunk_size", 8}};
  config.update(more);
  const ModelDescription d = FourBlocks("llama4_text", config);
  std::string kinds;
  for (std::int64_t i = 0; i < d.layers; ++i) {
    const BlockPlan plan = d.Plan(i);
    EXPECT_EQ(plan.Norm(NormPlace::kQuery) != nullptr,
              plan.attention.rotary != RotaryStyle::kNone && !more.contains("use_qk_norm"));
    kinds += plan.attention.rotary == RotaryStyle::kPair ? "r" : "";
    kinds += plan.attention.chunk == 8 ? "c" : "";
    kinds += plan.attention.tempered ? "t" : "";
    kinds += plan.mlp.experts ? "e " : " ";
  }
  return kinds;
}

TEST(SilentKeysTest, Llama4sBlocksAreOfSeveralKinds) {
  EXPECT_EQ(KindsOfLlama4(json::object()), "rce rce rce te ");
  EXPECT_EQ(KindsOfLlama4({{"use_qk_norm", false}}), "rce rce rce te ");
  EXPECT_EQ(KindsOfLlama4({{"no_rope_layers", json::array()}}), "rce rce rce te ");
  EXPECT_EQ(KindsOfLlama4({{"no_rope_layers", {0, 1, 1, 0}}}), "te rce rce te ");
  EXPECT_EQ(KindsOfLlama4({{"no_rope_layer_interval", 2}}), "rce te rce te ");
  EXPECT_EQ(KindsOfLlama4({{"interleave_moe_layer_step", 2}}), "rc rce rc te ");
  EXPECT_EQ(KindsOfLlama4({{"moe_layers", {0}}}), "rce rc rc t ");
  EXPECT_EQ(KindsOfLlama4({{"moe_layers", json::array()}}), "rc rc rc t ");
  EXPECT_EQ(KindsOfLlama4({{"attn_temperature_tuning", false}}), "rce rce rce e ");
  const json types = {"full_attention", "chunked_attention", "full_attention", "chunked_attention"};
  EXPECT_EQ(KindsOfLlama4({{"layer_types", types}}), "re rce re cte ");
}

TEST(SilentKeysTest, Llama4sListsMustFit) {
  EXPECT_EQ(ErrorOf([] {
              KindsOfLlama4({{"no_rope_layers", {1, 0}}});
            }),
            "config.json: no_rope_layers: expected 4 entries, got 2");
  EXPECT_EQ(ErrorOf([] {
              KindsOfLlama4({{"attention_chunk_size", nullptr}});
            }),
            "config.json: attention_chunk_size: null is not supported (expected a number)");
  const json types = {"full_attention", "sliding_attention", "full_attention", "full_attention"};
  EXPECT_EQ(ErrorOf([&] {
              KindsOfLlama4({{"layer_types", types}});
            }),
            "config.json: layer_types: unknown value \"sliding_attention\" (known: "
            "chunked_attention, full_attention)");
}

TEST(SilentKeysTest, MiniCpm3sScalesAreOneWhereNull) {
  const auto scales = [](const json& more) {
    const ModelDescription d = FourBlocks("minicpm3", more);
    const EndsPlan ends = d.Ends();
    return std::vector<double>{ends.embedding_scale, d.Plan(0).scales.mlp, ends.logit_scale};
  };
  EXPECT_EQ(scales(json::object()), (std::vector<double>{12, 0.7, 4}));
  EXPECT_EQ(scales({{"scale_depth", nullptr}, {"dim_model_base", nullptr}}),
            (std::vector<double>{12, 1, 1}));
}

TEST(SilentKeysTest, NanoChatTurnsByPlainAnglesOnly) {
  const auto with = [](const char* type) {
    const json rope = {{"rope_type", type}, {"factor", 2}};
    return FourBlocks("nanochat", {{"rope_parameters", rope}});
  };
  EXPECT_EQ(with("linear").rope.divisors, (std::vector<float>{-1}));
  EXPECT_EQ(ErrorOf([&] { with("dynamic"); }),
            "config.json: rope_type: only default and linear are supported for this family");
}

TEST(SilentKeysTest, JapaneseNeoXHasOneBias) {
  const ModelDescription model = FourBlocks("gpt_neox_japanese", json::object());
  EXPECT_EQ(model.intermediate, 256);
  EXPECT_EQ(model.rotary_dim, 16);
  for (std::int64_t block = 0; block < 4; ++block) {
    for (const LinearPlan& linear : model.Plan(block).linears) {
      const bool last = block == 3 && linear.role == LinearRole::kAttentionOutput;
      EXPECT_EQ(linear.bias, last) << linear.name;
    }
  }
}

}  // namespace
}  // namespace roundlab
