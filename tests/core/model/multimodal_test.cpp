#include "core/model/families/multimodal.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/model/families.h"
#include "core/model/loader.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;

ModelDescription Whole(const std::string& kind, const json& text, const json& more = {}) {
  json config = {{"model_type", kind}, {"text_config", text}};
  if (!more.is_null()) config.update(more);
  return DescribeHuggingFace(config.dump(), "config.json");
}

// All that config.json of llava-1.5-7b says of the language model.
TEST(MultimodalTest, SizesThatTextConfigLeavesOutAreItsClasses) {
  const ModelDescription d = Whole("llava", {{"model_type", "llama"},
                                             {"max_position_embeddings", 4096},
                                             {"rms_norm_eps", 1e-5},
                                             {"vocab_size", 32064}});
  EXPECT_EQ(d.family, "llava");
  EXPECT_EQ(d.hidden, 4096);
  EXPECT_EQ(d.intermediate, 11008);
  EXPECT_EQ(d.layers, 32);
  EXPECT_EQ(d.kv_heads, 32);
  EXPECT_EQ(d.max_positions, 4096);
  EXPECT_EQ(d.vocab, 32064);
  EXPECT_FALSE(d.tied_head);
}

TEST(MultimodalTest, TheLanguageModelIsOfAnyFamily) {
  const ModelDescription silent = Whole("llava_next", json::object());
  EXPECT_EQ(silent.vocab, 32000);  // llama's
  const ModelDescription mistral = Whole("llava_next", {{"model_type", "mistral"}});
  EXPECT_EQ(mistral.kv_heads, 8);
  EXPECT_EQ(mistral.intermediate, 14336);
  EXPECT_TRUE(Whole("internvl", {{"model_type", "qwen3"}}).qk_norm);
}

TEST(MultimodalTest, TheHeadIsTiedAsTheWholeModelSays) {
  const json tied = {{"tie_word_embeddings", true}};
  EXPECT_TRUE(Whole("internvl", json::object(), tied).tied_head);
  EXPECT_TRUE(Whole("internvl", tied).tied_head);
  EXPECT_FALSE(Whole("internvl", tied, {{"tie_word_embeddings", false}}).tied_head);
  EXPECT_TRUE(Whole("lfm2_vl", json::object()).tied_head);
}

TEST(MultimodalTest, WhatTextConfigMayNotBe) {
  const std::string error = ErrorOf([] { Whole("llava", {{"model_type", "qwen_2"}}); });
  EXPECT_EQ(error.find("config.json: text_config: model_type: unknown language model 'qwen_2'; did "
                       "you mean 'qwen2'? (known: "),
            0U)
      << error;
  const std::string nested = ErrorOf([] { Whole("llava", {{"model_type", "llava"}}); });
  EXPECT_NE(nested.find("unknown language model 'llava'"), std::string::npos) << nested;
  EXPECT_EQ(ErrorOf([] {
              Whole("qwen3_vl", {{"hidden_size", 64}});
            }),
            "config.json: text_config: missing key 'num_hidden_layers'");
  EXPECT_EQ(ErrorOf([] { DescribeHuggingFace(R"({"model_type":"llava"})", "config.json"); }),
            "config.json: missing key 'text_config'");
}

// Checkpoints with code of their own say the same in other places.
TEST(MultimodalTest, TheLanguageModelMayBeToldOfElsewhere) {
  const json text = {{"model_type", "qwen3"}, {"hidden_size", 64}, {"head_dim", 16}};
  const json chat = {{"model_type", "internvl_chat"}, {"llm_config", text}};
  const ModelDescription d = DescribeHuggingFace(chat.dump(), "config.json");
  EXPECT_TRUE(d.qk_norm);
  EXPECT_EQ(d.hidden, 64);
  const json flat = {{"model_type", "llava_mistral"}, {"hidden_size", 128}};
  EXPECT_EQ(DescribeHuggingFace(flat.dump(), "config.json").kv_heads, 8);
  EXPECT_EQ(ErrorOf([&] { DescribeHuggingFace(R"({"model_type":"internvl_chat"})", "c"); }),
            "c: missing key 'llm_config'");
}

TEST(MultimodalTest, FamiliesHaveOtherNamesWithin) {
  const json text = {{"model_type", "gemma4_unified_text"},
                     {"hidden_size", 64},
                     {"intermediate_size", 96},
                     {"num_hidden_layers", 7},
                     {"num_attention_heads", 8},
                     {"vocab_size", 50}};
  const ModelDescription d = Whole("gemma4_unified", text);
  EXPECT_EQ(d.windows.front(), 1024);  // where gemma4_text has 512
  EXPECT_EQ(d.windows[5], 0);
  EXPECT_EQ(Whole("gemma4", {{"model_type", "gemma4_unified_text"},
                             {"hidden_size", 64},
                             {"intermediate_size", 96},
                             {"num_hidden_layers", 2},
                             {"sliding_window", 8}})
                .windows.front(),
            8);
}

TEST(MultimodalTest, TheLanguageModelMayBeToldOfDeeperOrBeside) {
  const json text = {{"hidden_size", 64},        {"intermediate_size", 96},
                     {"num_hidden_layers", 2},   {"num_attention_heads", 8},
                     {"num_key_value_heads", 2}, {"vocab_size", 50}};
  const json thinker = {{"text_config", text}, {"tie_word_embeddings", true}};
  const json whole = {{"model_type", "qwen2_5_omni"}, {"thinker_config", thinker}};
  const ModelDescription d = DescribeHuggingFace(whole.dump(), "config.json");
  EXPECT_EQ(d.kv_heads, 2);
  EXPECT_TRUE(d.tied_head);
  EXPECT_EQ(ErrorOf([] { DescribeHuggingFace(R"({"model_type":"qwen2_5_omni"})", "c"); }),
            "c: missing key 'thinker_config'");
  json beside = text;
  beside["model_type"] = "paddleocr_vl";
  EXPECT_EQ(DescribeHuggingFace(beside.dump(), "config.json").head_dim, 128);
  EXPECT_EQ(Whole("paddleocr_vl", text).head_dim, 128);
}

// Published files have language_model.backbone.layers.0 and so on.
TEST(MultimodalTest, NamesWithinAreThoseOfTheFamily) {
  const json text = {
      {"hybrid_override_pattern", "M-"}, {"hidden_size", 64}, {"num_attention_heads", 4}};
  const auto names = Whole("nemotron_h_omni", text).naming.prefixes;
  EXPECT_EQ(names.front(),
            (std::pair<std::string, std::string>("language_model.backbone.", "backbone.")));
  EXPECT_EQ(names.back(), (std::pair<std::string, std::string>("model.", "backbone.")));
}

TEST(MultimodalTest, BlocksOfImagesAreThoseThatThereAre) {
  json text = {{"hidden_size", 64},
               {"intermediate_size", 96},
               {"num_hidden_layers", 10},
               {"num_attention_heads", 8}};
  EXPECT_EQ(Whole("mllama", text).layers, 8);  // without 3 and 8
  EXPECT_EQ(Whole("mllama", text).LinearNames(3)[0], "model.layers.4.self_attn.q_proj");
  text["cross_attention_layers"] = {10};
  EXPECT_EQ(ErrorOf([&] { Whole("mllama", text); }),
            "config.json: text_config: cross_attention_layers: [10] is not supported (allowed: "
            "blocks below 10)");
}

TEST(MultimodalTest, OtherPartsAreToldAndPassedOver) {
  const std::string folder = testing::SourceFolder() + "/tests/golden/families/";
  EXPECT_EQ(
      ModelFiles(folder + "llava_next").Unused(),
      (std::vector<std::string>{"image_newline* (1 tensors)", "multi_modal_projector.* (4 tensors)",
                                "vision_tower.* (23 tensors)"}));
}

}  // namespace
}  // namespace roundlab
