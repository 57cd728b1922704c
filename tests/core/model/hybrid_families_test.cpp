#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/model/families.h"
#include "core/model/loader.h"
#include "core/model/model.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/write_tensors.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;
using testing::SourceFolder;
using testing::TempFolder;
using NamedTensors = std::map<std::string, at::Tensor>;

/// What is expected here is what transformers 5.23 makes of such files.
ModelDescription HybridModel(const std::string& family, const json& more) {
  json config = {{"model_type", family},         {"hidden_size", 64},
                 {"num_hidden_layers", 4},       {"num_attention_heads", 8},
                 {"num_key_value_heads", 2},     {"vocab_size", 100},
                 {"max_position_embeddings", 32}};
  config.update(more);
  return DescribeHuggingFace(config.dump(), "config.json");
}

/// Of each block "a" with attention, "c" with a short convolution, "d" with a delta rule, "s" with
/// a state space; "e" with experts.
std::string Kinds(const ModelDescription& d) {
  std::string kinds;
  for (std::int64_t i = 0; i < d.layers; ++i) {
    const BlockPlan plan = d.Plan(i);
    EXPECT_TRUE(plan.HasAttention() || plan.attention.rotary == RotaryStyle::kNone);
    kinds += plan.HasAttention() && plan.mixer ? "a+" : "";
    kinds += !plan.mixer ? "a" : plan.mixer->delta ? "d" : plan.mixer->state_space ? "s" : "c";
    kinds += plan.mlp.experts ? "e " : " ";
  }
  return kinds;
}

TEST(HybridFamiliesTest, SilentFilesMixAsTheClassDoes) {
  const json types = {"conv", "full_attention", "conv", "conv"};
  EXPECT_EQ(Kinds(HybridModel("lfm2", json::object())), "a a a a ");
  EXPECT_EQ(Kinds(HybridModel("lfm2", {{"full_attn_idxs", {2}}})), "c c a c ");
  EXPECT_EQ(Kinds(HybridModel("lfm2", {{"full_attn_idxs", {2}}, {"layer_types", types}})),
            "c a c c ");
  EXPECT_EQ(Kinds(HybridModel("lfm2_moe", {{"layer_types", types}})), "c a ce ce ");
  EXPECT_EQ(Kinds(HybridModel("lfm2_moe", {{"layer_types", types}, {"num_dense_layers", 0}})),
            "ce ae ce ce ");
  EXPECT_EQ(Kinds(HybridModel("qwen3_next", json::object())), "de de de ae ");
  EXPECT_EQ(Kinds(HybridModel("qwen3_next",
                              {{"full_attention_interval", 2}, {"decoder_sparse_step", 2}})),
            "d ae d ae ");
  EXPECT_EQ(Kinds(HybridModel("qwen3_5_text", json::object())), "d d d a ");
  EXPECT_EQ(Kinds(HybridModel("olmo_hybrid", {{"intermediate_size", 96}})), "d d d a ");
  EXPECT_EQ(HybridModel("olmo_hybrid", {{"intermediate_size", 96}}).Plan(0).mixer->delta->key_dim,
            6);
  EXPECT_EQ(Kinds(HybridModel("qwen3_5_moe_text", json::object())), "de de de ae ");
  json granite = {{"mamba_n_heads", 4}};
  EXPECT_EQ(Kinds(HybridModel("granitemoehybrid", granite)), "se se se se ");
  granite["num_local_experts"] = 0;
  granite["layer_types"] = {"mamba", "attention", "linear_attention", "full_attention"};
  EXPECT_EQ(Kinds(HybridModel("granitemoehybrid", granite)), "s a s a ");
  EXPECT_EQ(HybridModel("granitemoehybrid", granite).Plan(1).attention.rotary, RotaryStyle::kNone);
  granite["position_embedding_type"] = "rope";
  EXPECT_EQ(HybridModel("granitemoehybrid", granite).Plan(1).attention.rotary, RotaryStyle::kHalf);
}

TEST(HybridFamiliesTest, BambaNamesTheBlocksOfAttention) {
  const json sizes = {{"mamba_n_heads", 4}};
  EXPECT_EQ(Kinds(HybridModel("bamba", sizes)), "s s s s ");
  const ModelDescription d =
      HybridModel("bamba", {{"mamba_n_heads", 4}, {"attn_layer_indices", {1, 3}}});
  EXPECT_EQ(Kinds(d), "s a s a ");
  EXPECT_EQ(2 * d.rotary_dim, d.head_dim);
  EXPECT_EQ(ErrorOf([] {
              HybridModel("bamba", {{"mamba_n_heads", 4}, {"attn_layer_indices", {4}}});
            }),
            "config.json: attn_layer_indices: [4] is not supported (allowed: blocks below 4)");
}

TEST(HybridFamiliesTest, FalconH1HasBothInEachBlock) {
  json more = {{"mamba_n_heads", 8}};
  const ModelDescription d = HybridModel("falcon_h1", more);
  EXPECT_EQ(Kinds(d), "a+s a+s a+s a+s ");
  EXPECT_EQ(d.Plan(0).mixer->state_space->head_dim, 1024 / 8);
  EXPECT_EQ(d.Plan(0).Norm(NormPlace::kMixed), nullptr);
  // q, k, v and the mixer read one norm.
  EXPECT_EQ(d.Plan(0).Norm(NormPlace::kBeforeAttention)->feeds, std::vector<std::size_t>{0});
  more["mamba_d_ssm"] = nullptr;
  EXPECT_EQ(HybridModel("falcon_h1", more).Plan(0).mixer->state_space->head_dim, 128 / 8);
  const auto refusal = [&](const char* key, const json& value, const char* bias) {
    json file = more;
    file[key] = value;
    file[bias] = true;
    return ErrorOf([&] { HybridModel("falcon_h1", file); });
  };
  EXPECT_EQ(refusal("ssm_in_multiplier", 2, "mamba_proj_bias"),
            "config.json: ssm_in_multiplier beside mamba_proj_bias: only one of them is supported");
  EXPECT_EQ(refusal("hidden_act", "gelu", "mlp_bias"),
            "config.json: hidden_act: \"gelu\" is not supported (allowed: silu)");
  EXPECT_EQ(refusal("ssm_multipliers", {1, 2}, "mlp_bias"),
            "config.json: ssm_multipliers: [1,2] is not supported (allowed: 5 numbers)");
}

TEST(HybridFamiliesTest, NumbersThatJsonDoesNotHaveAreReadAsPythonWritesThem) {
  const auto describe = [](const std::string& key, const std::string& value) {
    return DescribeHuggingFace(
        R"({"note \" Infinity": "NaN", "model_type": "bamba", "hidden_size": 64, "mamba_n_heads": 4,
            "num_hidden_layers": 4, "num_attention_heads": 8, ")" +
            key + R"(": )" + value + "}",
        "config.json");
  };
  const auto space = [&](const std::string& limits) {
    return *describe("time_step_limit", limits).Plan(0).mixer->state_space;
  };
  EXPECT_EQ(space("[0.5, Infinity]").least_step, 0.5);
  EXPECT_EQ(space("[0.5, Infinity]").largest_step, 0);
  EXPECT_EQ(space(R"([0.5, {"__float__": "Infinity"}])").largest_step, 0);
  EXPECT_EQ(space("[0.5, 2]").largest_step, 2);
  EXPECT_EQ(ErrorOf([&] { space("[0, -Infinity]"); }),
            "config.json: time_step_limit: [0,{\"__float__\":\"-Infinity\"}] is not supported "
            "(allowed: two numbers)");
  EXPECT_NE(ErrorOf([&] { describe("rms_norm_eps", "NaN"); }).find("rms_norm_eps"),
            std::string::npos);
  EXPECT_EQ(ErrorOf([&] { space("[0.5, Infinite]"); }).find("config.json: not JSON: error at byte"),
            0U);
}

TEST(HybridFamiliesTest, Lfm2sWidthIsTwoThirdsOfWhatItsFileHas) {
  const auto width = [](const json& more) { return HybridModel("lfm2", more).intermediate; };
  EXPECT_EQ(width(json::object()), 8192);
  EXPECT_EQ(width({{"intermediate_size", 96}}), 256);
  EXPECT_EQ(width({{"intermediate_size", 96}, {"block_multiple_of", 10}}), 70);
  EXPECT_EQ(
      width({{"block_ff_dim", 96}, {"block_ffn_dim_multiplier", 1.5}, {"block_multiple_of", 1}}),
      96);
  EXPECT_EQ(width({{"intermediate_size", 96}, {"block_auto_adjust_ff_dim", false}}), 96);
}

TEST(HybridFamiliesTest, Lfm2sOwnKeyForATiedHeadCounts) {
  const auto tied = [](const json& more) { return HybridModel("lfm2", more).tied_head; };
  EXPECT_TRUE(tied(json::object()));
  EXPECT_FALSE(tied({{"tie_word_embeddings", false}}));
  EXPECT_FALSE(tied({{"tie_embedding", false}}));
  EXPECT_TRUE(tied({{"tie_embedding", true}, {"tie_word_embeddings", false}}));
}

TEST(HybridFamiliesTest, HeadsTurnInTheirFirstQuarter) {
  const ModelDescription d = HybridModel("qwen3_next", json::object());
  EXPECT_EQ(d.head_dim, 256);
  EXPECT_EQ(d.rotary_dim, 64);
  const BlockPlan plan = d.Plan(3);
  EXPECT_TRUE(plan.attention.gated);
  EXPECT_EQ(plan.linears.front().out, 2 * 8 * 256);
  EXPECT_EQ(plan.Norm(NormPlace::kQuery)->offset, 1);
  EXPECT_EQ(d.Plan(0).Norm(NormPlace::kMixed)->offset, 0);
}

TEST(HybridFamiliesTest, WhatDoesNotFitIsTold) {
  const auto refusal = [](const char* family, const json& more) {
    return ErrorOf([&] { HybridModel(family, more); });
  };
  EXPECT_EQ(refusal("qwen3_next", {{"linear_num_value_heads", 6}}),
            "config.json: linear_num_key_heads 16 does not divide linear_num_value_heads 6");
  EXPECT_EQ(refusal("qwen3_5_text", {{"hidden_act", "gelu"}}),
            "config.json: hidden_act: \"gelu\" is not supported (allowed: silu)");
  EXPECT_EQ(refusal("qwen3_5_text", {{"attn_output_gate", false}}),
            "config.json: attn_output_gate: false is not supported (allowed: true)");
  EXPECT_EQ(refusal("lfm2_moe", {{"num_experts", 2}}),
            "config.json: num_experts_per_tok 4 is above the 2 experts");
  EXPECT_EQ(refusal("granitemoehybrid", {{"mamba_n_heads", 4}, {"mamba_n_groups", 3}}),
            "config.json: mamba_n_groups 3 does not divide mamba_n_heads 4");
  EXPECT_EQ(refusal("granitemoehybrid", {{"mamba_n_heads", 3}}),
            "config.json: mamba_n_heads 3 of mamba_d_head 42 are not 128 channels "
            "(mamba_d_ssm, or mamba_expand times hidden_size)");
  EXPECT_EQ(refusal("granitemoehybrid", {{"mamba_n_heads", 4}, {"time_step_limit", {0, "x"}}}),
            "config.json: time_step_limit: [0,\"x\"] is not supported (allowed: two numbers)");
  const json types = {"linear_attention", "full_attention", "conv", "conv"};
  EXPECT_EQ(refusal("lfm2", {{"layer_types", types}}),
            "config.json: layer_types: unknown value \"linear_attention\" (known: conv, "
            "full_attention)");
}

/// A golden folder's tensors.
NamedTensors TensorsOfGolden(const std::string& name) {
  const SafetensorsFile file(SourceFolder() + "/tests/golden/families/" + name +
                             "/model.safetensors");
  NamedTensors tensors;
  for (const TensorView& view : file.tensors()) {
    tensors.emplace(view.name, testing::GoldenTensor(file, view.name));
  }
  return tensors;
}

json ConfigOfGolden(const std::string& name) {
  return json::parse(ReadFile(SourceFolder() + "/tests/golden/families/" + name + "/config.json"));
}

void Write(const TempFolder& folder, const json& config, const NamedTensors& tensors) {
  folder.Write("config.json", config.dump());
  testing::WriteTensors(folder / "model.safetensors", tensors);
}

at::Tensor LogitsOf(const std::string& path) {
  return LanguageModel(ModelFiles(path), at::kFloat)
      .Logits(at::arange(20, at::kLong).view({2, 10}));
}

/// What is under `prefix` in one tensor, [experts, rows of all parts, columns].
at::Tensor Stack(const std::string& prefix, const std::vector<std::string>& parts,
                 NamedTensors* from) {
  std::vector<at::Tensor> experts;
  for (int expert = 0; from->count(prefix + std::to_string(expert) + "." + parts[0]) > 0;
       ++expert) {
    std::vector<at::Tensor> rows;
    for (const std::string& part : parts) {
      rows.push_back(from->extract(prefix + std::to_string(expert) + "." + part).mapped());
    }
    experts.push_back(at::cat(rows));
  }
  return at::stack(experts).contiguous();
}

TEST(HybridFamiliesTest, ExpertsMayLieStackedOrOneByOne) {
  const std::string golden = "qwen3_5_moe_text";
  NamedTensors tensors = TensorsOfGolden(golden);
  for (int block = 0; block < 3; ++block) {
    const std::string prefix = "model.layers." + std::to_string(block) + ".mlp.experts.";
    const at::Tensor both = Stack(prefix, {"gate_proj.weight", "up_proj.weight"}, &tensors);
    const at::Tensor down = Stack(prefix, {"down_proj.weight"}, &tensors);
    tensors[prefix + "gate_up_proj"] = both;
    tensors[prefix + "down_proj"] = down;
  }
  const TempFolder stacked;
  Write(stacked, ConfigOfGolden(golden), tensors);
  const at::Tensor apart = LogitsOf(SourceFolder() + "/tests/golden/families/" + golden);
  EXPECT_TRUE(at::allclose(LogitsOf(stacked.path()), apart, 1e-6, 1e-6));
}

// Published files have them as [in, out]; transformers 5.23 reads both and writes the other.
TEST(HybridFamiliesTest, StackedExpertsOfQwen3VlAreReadEitherWay) {
  const std::string golden = "qwen3_vl_moe";
  NamedTensors tensors = TensorsOfGolden(golden);
  int turned = 0;
  for (auto& [name, values] : tensors) {
    if (values.dim() != 3 || name.find(".experts.") == std::string::npos) continue;
    values = values.transpose(1, 2).contiguous();
    ++turned;
  }
  EXPECT_EQ(turned, 2);  // of the one block that is not dense
  const TempFolder folder;
  Write(folder, ConfigOfGolden(golden), tensors);
  EXPECT_TRUE(
      LogitsOf(folder.path()).equal(LogitsOf(SourceFolder() + "/tests/golden/families/" + golden)));
}

// Published files cut a convolution where q, k and v end, transformers 5.23 into thirds; it also
// gives a norm behind attention the name of one before the MLP.
TEST(HybridFamiliesTest, OlmoHybridsConvolutionIsReadHoweverItIsCut) {
  const std::string golden = "olmo_hybrid";
  NamedTensors tensors = TensorsOfGolden(golden);
  const std::string norm = "model.layers.1.feedforward_layer_norm.weight";
  ASSERT_EQ(tensors.count(norm), 1U);
  tensors["model.layers.1.post_attention_layernorm.weight"] = tensors.at(norm);
  tensors.erase(norm);
  for (const int block : {0, 2}) {
    const std::string prefix = "model.layers." + std::to_string(block) + ".linear_attn.";
    std::vector<at::Tensor> stored;
    for (const char* part : {"q", "k", "v"}) {
      stored.push_back(tensors.at(prefix + part + "_conv1d.weight"));
    }
    const auto cut = at::cat(stored).split_with_sizes({8, 8, 24});
    for (std::size_t i = 0; i < 3; ++i) {
      tensors[prefix + "qkv"[i] + "_conv1d.weight"] = cut[i];
    }
  }
  const TempFolder folder;
  Write(folder, ConfigOfGolden(golden), tensors);
  EXPECT_TRUE(
      LogitsOf(folder.path()).equal(LogitsOf(SourceFolder() + "/tests/golden/families/" + golden)));
  tensors["model.layers.2.linear_attn.v_conv1d.weight"] = at::ones({20, 1, 4});
  const TempFolder short_of;
  Write(short_of, ConfigOfGolden(golden), tensors);
  EXPECT_NE(ErrorOf([&] { LogitsOf(short_of.path()); })
                .find("the parts of 'model.layers.2.linear_attn.conv1d' have 36 channels, expected "
                      "40"),
            std::string::npos);
}

TEST(HybridFamiliesTest, TheLanguageModelOfALargerOneIsRead) {
  const std::string golden = "qwen3_5_text";
  NamedTensors wrapped;
  for (const auto& [name, values] : TensorsOfGolden(golden)) {
    const bool inside = name.starts_with("model.");
    wrapped[inside ? "model.language_model." + name.substr(6) : name] = values;
  }
  wrapped["model.visual.patch_embed.proj.weight"] = at::ones({4, 4});
  wrapped["mtp.layers.0.mlp.up_proj.weight"] = at::ones({4, 4});
  const json text = ConfigOfGolden(golden);
  const TempFolder folder;
  Write(folder, {{"model_type", "qwen3_5"}, {"text_config", text}}, wrapped);
  EXPECT_TRUE(
      LogitsOf(folder.path()).equal(LogitsOf(SourceFolder() + "/tests/golden/families/" + golden)));
}

}  // namespace
}  // namespace roundlab
