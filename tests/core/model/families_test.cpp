#include "core/model/families.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;

/// A config.json of `family` with what it must have, changed by `change`; null removes a key.
json Config(const std::string& family, const json& change = json::object()) {
  json config = {{"model_type", family},         {"hidden_size", 64},
                 {"intermediate_size", 96},      {"num_hidden_layers", 4},
                 {"num_attention_heads", 4},     {"vocab_size", 100},
                 {"max_position_embeddings", 32}};
  config.update(change);
  return config;
}
ModelDescription Describe(const std::string& family, const json& change = json::object()) {
  return DescribeHuggingFace(Config(family, change).dump(), "config.json");
}
std::string ErrorFor(const std::string& family, const json& change) {
  return ErrorOf([&] { Describe(family, change); });
}
std::string Without(const std::string& key) {
  json config = Config("llama");
  config.erase(key);
  return ErrorOf([&] { DescribeHuggingFace(config.dump(), "config.json"); });
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

using Windows = std::vector<std::int64_t>;

TEST(FamiliesTest, AbsentKeysGetTheDefaultsOfTransformers) {
  const ModelDescription d = Describe("llama");
  EXPECT_EQ(d.family, "llama");
  EXPECT_EQ(d.kv_heads, 4);
  EXPECT_EQ(d.head_dim, 16);
  EXPECT_EQ(d.norm_eps, 1e-6);
  EXPECT_EQ(d.rope.type, RopeType::kDefault);
  EXPECT_EQ(d.rope.theta, 10000);
  EXPECT_EQ(d.activation, Activation::kSilu);
  EXPECT_EQ(d.windows, Windows(4, 0));
  EXPECT_FALSE(d.qkv_bias || d.output_bias || d.mlp_bias || d.qk_norm || d.tied_head);
  EXPECT_EQ(d.bos_id, std::nullopt);
}

TEST(FamiliesTest, NullIsAsAbsent) {
  const ModelDescription d = Describe("llama", {{"num_key_value_heads", nullptr},
                                                {"head_dim", nullptr},
                                                {"rope_scaling", nullptr},
                                                {"rope_theta", nullptr}});
  EXPECT_EQ(d.kv_heads, 4);
  EXPECT_EQ(d.head_dim, 16);
  EXPECT_EQ(d.rope.type, RopeType::kDefault);
}

TEST(FamiliesTest, BiasesNormsAndIds) {
  const ModelDescription llama =
      Describe("llama", {{"attention_bias", true}, {"mlp_bias", true}, {"eos_token_id", {5, 6}}});
  EXPECT_TRUE(llama.qkv_bias && llama.output_bias && llama.mlp_bias);
  EXPECT_EQ(llama.eos_id, 5);
  const ModelDescription qwen2 = Describe("qwen2");
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.output_bias || qwen2.qk_norm);
  const ModelDescription qwen3 = Describe("qwen3");
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_FALSE(qwen3.qkv_bias);
}

TEST(FamiliesTest, Qwen3sHeadDimensionIs128WhereItIsAbsent) {
  EXPECT_EQ(Describe("qwen3").head_dim, 128);
  EXPECT_EQ(Describe("qwen3", {{"head_dim", 16}}).head_dim, 16);
}

TEST(FamiliesTest, RopeInOldAndNewKeysIsTheSame) {
  const json llama3 = {{"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 16}};
  json legacy = llama3;
  legacy["rope_type"] = "llama3";
  json older = llama3;
  older["type"] = "llama3";
  json modern = legacy;
  modern["rope_theta"] = 5e5;
  for (const json& change :
       {json{{"rope_theta", 5e5}, {"rope_scaling", legacy}},
        json{{"rope_theta", 5e5}, {"rope_scaling", older}}, json{{"rope_parameters", modern}}}) {
    const RopeDescription rope = Describe("llama", change).rope;
    EXPECT_EQ(rope.type, RopeType::kLlama3);
    EXPECT_EQ(rope.theta, 5e5);
    EXPECT_EQ(rope.factor, 8);
    EXPECT_EQ(rope.low_freq_factor, 1);
    EXPECT_EQ(rope.high_freq_factor, 4);
    EXPECT_EQ(rope.original_positions, 16);
  }
  const RopeDescription plain =
      Describe("llama", {{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 7}}}}).rope;
  EXPECT_EQ(plain.type, RopeType::kDefault);
  EXPECT_EQ(plain.theta, 7);
}

TEST(FamiliesTest, MistralsWindowIs4096WhereAbsentAndNoneWhereNull) {
  EXPECT_EQ(Describe("mistral").windows, Windows(4, 4096));
  EXPECT_EQ(Describe("mistral", {{"sliding_window", 9}}).windows, Windows(4, 9));
  EXPECT_EQ(Describe("mistral", {{"sliding_window", nullptr}}).windows, Windows(4, 0));
}

TEST(FamiliesTest, QwensLayersSlideFromMaxWindowLayersOn) {
  const json window = {{"use_sliding_window", true}, {"sliding_window", 9}};
  json from_2 = window;
  from_2["max_window_layers"] = 2;
  EXPECT_EQ(Describe("qwen2", from_2).windows, (Windows{0, 0, 9, 9}));
  EXPECT_EQ(Describe("qwen3", from_2).windows, (Windows{0, 0, 9, 9}));
  EXPECT_EQ(Describe("qwen2", window).windows, Windows(4, 0));  // from layer 28 on
  EXPECT_EQ(Describe("qwen2", {{"sliding_window", 9}, {"max_window_layers", 0}}).windows,
            Windows(4, 0));  // not used
}

TEST(FamiliesTest, LayerTypesSayItLayerByLayer) {
  json change = {{"use_sliding_window", true},
                 {"sliding_window", 9},
                 {"layer_types",
                  {"sliding_attention", "full_attention", "full_attention", "sliding_attention"}}};
  EXPECT_EQ(Describe("qwen2", change).windows, (Windows{9, 0, 0, 9}));
  EXPECT_EQ(Describe("mistral", change).windows, (Windows{9, 0, 0, 9}));
  change["layer_types"] = {"full_attention"};
  EXPECT_EQ(ErrorFor("qwen2", change), "config.json: layer_types: expected 4 entries, got 1");
  change["layer_types"] = {"full_attention", "full_attention", "full_attention", "linear"};
  EXPECT_EQ(ErrorFor("qwen2", change),
            "config.json: layer_types: unknown value \"linear\" (known: full_attention, "
            "sliding_attention)");
}

TEST(FamiliesTest, ErrorsNameFileAndKey) {
  EXPECT_EQ(ErrorOf([] { DescribeHuggingFace("{", "f"); }), "f: not JSON: error at byte 2");
  EXPECT_EQ(ErrorOf([] {
              DescribeHuggingFace(
                  "{\"hidden_size\": " + std::string(200, '[') + std::string(200, ']') + "}", "f");
            }),
            "f: not JSON: values in one another deeper than 100");
  EXPECT_EQ(ErrorOf([] { DescribeHuggingFace("[]", "f"); }), "f: expected an object");
  EXPECT_EQ(Without("model_type"), "config.json: missing key 'model_type'");
  EXPECT_EQ(Without("hidden_size"), "config.json: missing key 'hidden_size'");
  EXPECT_EQ(
      ErrorFor("qwen4", json::object()),
      "config.json: model_type: unknown architecture 'qwen4'; did you mean 'qwen2'? (known: " +
          Joined(SupportedFamilies()) + ")");
  EXPECT_EQ(ErrorFor("llama", {{"hidden_size", 0}}),
            "config.json: hidden_size: expected a positive integer, got 0");
  EXPECT_EQ(ErrorFor("llama", {{"hidden_size", "x"}}),
            "config.json: hidden_size: expected a positive integer, got \"x\"");
  EXPECT_EQ(ErrorFor("llama", {{"rms_norm_eps", "x"}}),
            "config.json: rms_norm_eps: expected a positive number, got \"x\"");
  EXPECT_EQ(ErrorFor("llama", {{"tie_word_embeddings", 1}}),
            "config.json: tie_word_embeddings: expected true or false, got 1");
  EXPECT_EQ(ErrorFor("llama", {{"hidden_act", "silo"}}),
            "config.json: hidden_act: unknown value 'silo'; did you mean 'silu'? (known: gelu, "
            "gelu_fast, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, relu2, silu, swish)");
  EXPECT_EQ(ErrorFor("llama", {{"num_key_value_heads", 3}}),
            "config.json: num_key_value_heads 3 does not divide num_attention_heads 4");
  EXPECT_EQ(ErrorFor("llama", {{"num_attention_heads", 5}}),
            "config.json: num_attention_heads 5 does not divide hidden_size 64");
  EXPECT_EQ(ErrorFor("llama", {{"head_dim", 7}}), "config.json: head_dim 7 is odd");
  EXPECT_EQ(ErrorFor("llama", {{"rope_scaling", 3}}),
            "config.json: rope_scaling: expected an object");
  EXPECT_EQ(ErrorFor("llama", {{"rope_scaling", {{"type", "yarm"}, {"factor", 2}}}}),
            "config.json: rope_scaling: rope_type: unknown value 'yarm'; did you mean 'yarn'? "
            "(known: default, dynamic, linear, llama3, longrope, yarn)");
  EXPECT_EQ(ErrorFor("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}},
                               {"rope_parameters", {{"rope_type", "default"}}}}),
            "config.json: rope_scaling and rope_parameters are both there, and differ");
  EXPECT_EQ(ErrorFor("llama", {{"rope_scaling", {{"type", "linear"}, {"factor", 0}}}}),
            "config.json: rope_scaling: factor: expected a positive number, got 0");
  EXPECT_EQ(ErrorFor("llama", {{"rms_norm_eps", -100}}),
            "config.json: rms_norm_eps: expected a positive number, got -100");
  EXPECT_EQ(ErrorFor("llama", {{"num_hidden_layers", 1LL << 62}}),
            "config.json: num_hidden_layers: 4611686018427387904 is above 16777216");
  EXPECT_EQ(ErrorFor("llama", {{"is_causal", false}}),
            "config.json: is_causal: false is not supported: attention is causal here");
  EXPECT_EQ(ErrorFor("qwen2", {{"layer_types", {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}}}}),
            "config.json: layer_types: expected an array");
  EXPECT_EQ(ErrorFor("llama", {{"rope_scaling", {{"type", "linear"}}}}),
            "config.json: rope_scaling: missing key 'factor'");
  EXPECT_EQ(ErrorFor("llama", {{"rope_parameters", {{"partial_rotary_factor", 0.5}}}}),
            "config.json: rope_parameters: partial_rotary_factor: only 1 is supported for this "
            "family");
}

TEST(FamiliesTest, AttentionTypesSayWhichLayersOfGptNeoSlide) {
  EXPECT_EQ(Describe("gpt_neo").windows, (Windows{0, 256, 0, 256}));
  EXPECT_EQ(Describe("gpt_neo",
                     {{"window_size", 9}, {"attention_types", {{{"local"}, 3}, {{"global"}, 1}}}})
                .windows,
            (Windows{9, 9, 9, 0}));
  EXPECT_EQ(ErrorFor("gpt_neo", {{"attention_types", {{{"local", "wide"}, 2}}}}),
            "config.json: attention_types: expected [[[kind, ...], times], ...] for 4 layers "
            "(kinds: global, local), got [[[\"local\",\"wide\"],2]]");
  EXPECT_EQ(ErrorFor("gpt_neo", {{"attention_types", {{{"local"}, 3}}}}),
            "config.json: attention_types: expected [[[kind, ...], times], ...] for 4 layers "
            "(kinds: global, local), got [[[\"local\"],3]]");
}

std::vector<bool> Rotary(const ModelDescription& d) {
  std::vector<bool> rotary;
  for (std::int64_t i = 0; i < d.layers; ++i) {
    rotary.push_back(d.Plan(i).attention.rotary != RotaryStyle::kNone);
  }
  return rotary;
}

TEST(FamiliesTest, SomeLayersHaveNoRotaryPositions) {
  const std::vector<bool> all_but_the_fourth = {true, true, true, false};
  for (const char* family : {"smollm3", "cohere2", "exaone4"}) {
    EXPECT_EQ(Rotary(Describe(family)), all_but_the_fourth) << family;
  }
  EXPECT_EQ(Describe("cohere2").windows, (Windows{4096, 4096, 4096, 0}));
  EXPECT_EQ(Rotary(Describe("smollm3", {{"no_rope_layers", {0, 1, 0, 1}}})),
            (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(Rotary(Describe("exaone4", {{"sliding_window", nullptr}})), std::vector<bool>(4, true));
  EXPECT_EQ(ErrorFor("smollm3", {{"no_rope_layers", {1, 0}}}),
            "config.json: no_rope_layers: expected 4 entries, got 2");
}

TEST(FamiliesTest, BaichuanIsKnownByItsSizes) {
  const ModelDescription small = Describe("baichuan", {{"hidden_size", 4096}});
  EXPECT_FALSE(small.Plan(0).attention.alibi);
  EXPECT_FALSE(small.Ends().unit_head);
  const ModelDescription large =
      Describe("baichuan", {{"hidden_size", 5120}, {"vocab_size", 125696}});
  EXPECT_TRUE(large.Plan(0).attention.alibi);
  EXPECT_TRUE(large.Ends().unit_head);
}

TEST(FamiliesTest, HunyuansAlphaStretchesTheta) {
  const RopeDescription rope =
      Describe("hunyuan_v1_dense", {{"rope_scaling", {{"type", "dynamic"}, {"alpha", 1000}}}}).rope;
  EXPECT_EQ(rope.type, RopeType::kDefault);
  EXPECT_NEAR(rope.theta, 1e4 * std::pow(1000, 16.0 / 14), 1);
}

TEST(FamiliesTest, WhatMptDoesNotHaveIsRefused) {
  const auto mpt = [](const json& change) {
    json config = {{"d_model", 64}, {"n_heads", 4}, {"n_layers", 4}};
    config.update(change);
    return ErrorFor("mpt", config);
  };
  EXPECT_EQ(mpt({{"attn_config", {{"alibi", false}}}}),
            "config.json: attn_config: alibi: false is not supported (allowed: true)");
  EXPECT_EQ(mpt({{"attn_config", {{"attn_type", "multiquery_attention"}}}}),
            "config.json: attn_config: attn_type: multiquery_attention is not supported (allowed: "
            "multihead_attention)");
  EXPECT_EQ(mpt({{"attn_config", {{"alibi_bias_max", 16}}}}),
            "config.json: attn_config: alibi_bias_max: 16 is not supported (allowed: 8)");
  EXPECT_EQ(mpt({{"logit_scale", 0.5}}),
            "config.json: logit_scale: 0.5 is not supported (allowed: null)");
}

TEST(FamiliesTest, KeysThatWouldChangeTheResultAreRefused) {
  EXPECT_EQ(ErrorFor("cohere2", {{"use_qk_norm", true}}),
            "config.json: use_qk_norm: true is not supported (allowed: false)");
  EXPECT_EQ(ErrorFor("apertus", {{"hidden_act", "silu"}}),
            "config.json: hidden_act: silu is not supported (allowed: xielu)");
  EXPECT_EQ(ErrorFor("helium", {{"head_dim", 8}}),
            "config.json: num_attention_heads 4 of head_dim 8 are not hidden_size 64");
  EXPECT_EQ(ErrorFor("xglm", {{"ffn_dim", 96}, {"pad_token_id", 2}}),
            "config.json: pad_token_id: 2 is not supported (allowed: 0, 1, null)");
  EXPECT_EQ(ErrorFor("codegen", {{"num_attention_heads", 2}, {"rotary_dim", 8}}),
            "config.json: num_attention_heads: 2 is not a multiple of 4");
  EXPECT_EQ(ErrorFor("internlm3", {{"qkv_bias", true}}),
            "config.json: qkv_bias: true is not supported beside mlp_bias: false");
  EXPECT_EQ(ErrorFor("dbrx", {{"d_model", 64},
                              {"n_heads", 4},
                              {"n_layers", 4},
                              {"max_seq_len", 32},
                              {"ffn_config", {{"moe_normalize_expert_weights", 2}}}}),
            "config.json: ffn_config: moe_normalize_expert_weights: 2 is not supported (allowed: "
            "1, null)");
}

TEST(FamiliesTest, GroupsOfExpertsAndLatentsMustFit) {
  const auto error = [](const json& change) {
    json config = {{"n_routed_experts", 8}, {"n_group", 4}, {"topk_group", 2}};
    config.update({{"num_experts_per_tok", 3}});
    config.update(change);
    return ErrorFor("deepseek_v3", config);
  };
  EXPECT_EQ(error(json::object()), "");
  EXPECT_EQ(error({{"n_group", 3}}), "config.json: n_group 3 does not divide the 8 experts");
  EXPECT_EQ(error({{"topk_group", 5}}), "config.json: topk_group 5 is above n_group 4");
  EXPECT_EQ(error({{"num_experts_per_tok", 5}}),
            "config.json: num_experts_per_tok 5 is above the 4 experts of topk_group groups");
  EXPECT_EQ(error({{"n_group", 8}, {"topk_group", 4}}),
            "config.json: a group must have two experts, n_group 8 leaves one");
  EXPECT_EQ(error({{"v_head_dim", 200}}),
            "config.json: v_head_dim 200 is above the width of a key, qk_nope_head_dim + "
            "qk_rope_head_dim 192");
  const json six = {{"num_experts_per_tok", 6}};
  EXPECT_EQ(ErrorFor("deepseek_v2", six), "");
  json normalized = six;
  normalized["norm_topk_prob"] = true;
  EXPECT_EQ(ErrorFor("deepseek_v2", normalized),
            "config.json: norm_topk_prob: true is not supported (allowed: false)");
  json method = six;
  method["topk_method"] = "noaux_tc";
  EXPECT_EQ(ErrorFor("deepseek_v2", method),
            "config.json: topk_method: \"noaux_tc\" is not supported (allowed: greedy, "
            "group_limited_greedy)");
}

TEST(FamiliesTest, PhiMoeHasOneFactorForShortAndLongTexts) {
  const auto phimoe = [](const json& change) {
    json rope = {{"type", "longrope"},
                 {"short_factor", std::vector<double>(8, 1)},
                 {"long_factor", std::vector<double>(8, 2)},
                 {"short_mscale", 1.2},
                 {"long_mscale", 1.2}};
    rope.update(change);
    return ErrorFor("phimoe", {{"rope_scaling", rope}});
  };
  EXPECT_EQ(phimoe({{"long_mscale", 1.3}}),
            "config.json: rope_scaling: long_mscale: 1.3 is not supported (allowed: short_mscale, "
            "1.2)");
  EXPECT_EQ(phimoe({{"type", "linear"}, {"factor", 2}}),
            "config.json: rope_scaling: rope_type: phimoe has default and longrope only");
}

ModelDescription Laguna(const json& change) {
  json config = {
      {"model_type", "laguna"},   {"hidden_size", 64},         {"num_hidden_layers", 2},
      {"num_attention_heads", 4}, {"num_key_value_heads", 2},  {"head_dim", 16},
      {"vocab_size", 50},         {"num_experts", 4},          {"num_experts_per_tok", 2},
      {"intermediate_size", 96},  {"moe_intermediate_size", 8}};
  config.update(change);
  return DescribeHuggingFace(config.dump(), "config.json");
}

TEST(LagunaTest, BlocksHaveTheirOwnHeadsAndGates) {
  const json types = {{"layer_types", {"sliding_attention", "full_attention"}}};
  const ModelDescription plain = Laguna(types);
  EXPECT_EQ(plain.Plan(0).attention.heads, 4);
  EXPECT_EQ(plain.Plan(0).attention.rotary_dim, 16);
  EXPECT_EQ(plain.Plan(1).attention.rotary_dim, 8);
  EXPECT_FALSE(plain.Plan(0).mlp.experts.has_value());
  EXPECT_EQ(plain.LinearShapes(0)[3], (std::vector<std::int64_t>{4, 64}));
  json more = types;
  more["num_attention_heads_per_layer"] = {2, 6};
  more["gating"] = "per-element";
  EXPECT_EQ(Laguna(more).LinearShapes(1)[0], (std::vector<std::int64_t>{6 * 16, 64}));
  EXPECT_EQ(Laguna(more).LinearShapes(1)[3], (std::vector<std::int64_t>{6 * 16, 64}));
  more["num_attention_heads_per_layer"] = {2, 3};
  EXPECT_EQ(ErrorOf([&] { Laguna(more); }),
            "config.json: num_attention_heads_per_layer: [2,3] is not supported (allowed: 2 "
            "multiples of num_key_value_heads 2)");
  EXPECT_EQ(ErrorOf([] {
              Laguna({{"moe_apply_router_weight_on_input", true}});
            }),
            "config.json: moe_apply_router_weight_on_input: true is not supported (allowed: "
            "false)");
}

}  // namespace
}  // namespace roundlab
