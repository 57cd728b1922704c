#include "core/formats/gguf_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/formats/open_checkpoint.h"
#include "tests/core/formats/format_files.h"
#include "tests/core/formats/gguf_builder.h"
#include "tests/core/formats/tensor_values.h"

namespace roundlab {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ErrorOf;
using testing::GgufBuilder;
using testing::TempFolder;
using testing::TensorValues;

std::vector<float> Iota(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

GgufBuilder Architecture(const std::string& name) {
  GgufBuilder builder;
  builder.Text("general.architecture", name)
      .U32(name + ".attention.head_count", 2)
      .U32(name + ".attention.head_count_kv", 1);
  return builder;
}

TEST(HfNameTest, KnownNamesAreTranslated) {
  EXPECT_EQ(HfName("token_embd.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(HfName("output_norm.weight"), "model.norm.weight");
  EXPECT_EQ(HfName("output.weight"), "lm_head.weight");
  const std::string layer = "model.layers.12.";
  EXPECT_EQ(HfName("blk.12.attn_q.weight"), layer + "self_attn.q_proj.weight");
  EXPECT_EQ(HfName("blk.12.attn_q.bias"), layer + "self_attn.q_proj.bias");
  EXPECT_EQ(HfName("blk.12.attn_k.weight"), layer + "self_attn.k_proj.weight");
  EXPECT_EQ(HfName("blk.12.attn_v.bias"), layer + "self_attn.v_proj.bias");
  EXPECT_EQ(HfName("blk.12.attn_output.weight"), layer + "self_attn.o_proj.weight");
  EXPECT_EQ(HfName("blk.12.attn_q_norm.weight"), layer + "self_attn.q_norm.weight");
  EXPECT_EQ(HfName("blk.12.attn_k_norm.weight"), layer + "self_attn.k_norm.weight");
  EXPECT_EQ(HfName("blk.12.attn_norm.weight"), layer + "input_layernorm.weight");
  EXPECT_EQ(HfName("blk.12.ffn_norm.weight"), layer + "post_attention_layernorm.weight");
  EXPECT_EQ(HfName("blk.12.ffn_gate.weight"), layer + "mlp.gate_proj.weight");
  EXPECT_EQ(HfName("blk.12.ffn_up.weight"), layer + "mlp.up_proj.weight");
  EXPECT_EQ(HfName("blk.12.ffn_down.weight"), layer + "mlp.down_proj.weight");
}

TEST(HfNameTest, OtherNamesStayAsTheyAre) {
  for (const char* name :
       {"rope_freqs.weight", "blk.0.ffn_gate_exps.weight", "blk.x.attn_q.weight",
        "blk..attn_q.weight", "blk.attn_q.weight", "blk.0.attn_q.scale", "token_embd", "blk.0", "",
        "blk.0.weight", ".weight", "blk.0.token_embd.weight"}) {
    EXPECT_EQ(HfName(name), name);
  }
}

TEST(GgufCheckpointTest, HasHfNamesForTheArchitecturesItKnows) {
  for (const char* architecture : {"llama", "qwen2", "qwen3"}) {
    const TempFolder folder;
    GgufBuilder builder = Architecture(architecture);
    builder.Tensor("token_embd.weight", {1}, 0, Bytes(1.0F))
        .Tensor("rope_freqs.weight", {1}, 0, Bytes(1.0F));
    const std::string path = folder.Write("a.gguf", builder.Build());
    const auto checkpoint = OpenCheckpoint(path);
    EXPECT_THAT(checkpoint->Names(), ElementsAre("model.embed_tokens.weight", "rope_freqs.weight"));
    EXPECT_EQ(checkpoint->Find("model.embed_tokens.weight")->name, "model.embed_tokens.weight");
    EXPECT_EQ(checkpoint->Find("token_embd.weight"), nullptr);
    ASSERT_NE(checkpoint->gguf(), nullptr);
    EXPECT_EQ(checkpoint->gguf()->String("general.architecture"), architecture);
    EXPECT_EQ(checkpoint->gguf()->path(), path);
  }
}

TEST(GgufCheckpointTest, OtherArchitecturesKeepTheFilesNames) {
  for (const GgufBuilder& base : {GgufBuilder(), Architecture("mamba")}) {
    const TempFolder folder;
    GgufBuilder builder = base;
    builder.Tensor("blk.0.attn_q.weight", {1, 4}, 0, Bytes(Iota(4)));
    const auto checkpoint = OpenCheckpoint(folder.Write("a.gguf", builder.Build()));
    EXPECT_THAT(checkpoint->Names(), ElementsAre("blk.0.attn_q.weight"));
    EXPECT_THAT(TensorValues(*checkpoint, "blk.0.attn_q.weight"), ElementsAre(0, 1, 2, 3));
  }
}

// convert_hf_to_gguf stores row (head h, pair i, half j) where Hugging Face has (h, j, i). With two
// heads of four rows, Hugging Face's rows 0..7 are stored in the order 0 2 1 3, 4 6 5 7.
TEST(GgufCheckpointTest, LlamaQueryAndKeyRowsComeInHuggingFaceOrder) {
  const TempFolder folder;
  GgufBuilder builder = Architecture("llama");
  builder
      .Tensor("blk.0.attn_q.weight", {2, 8}, 0,
              Bytes<float>({0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}))
      .Tensor("blk.0.attn_q.bias", {8}, 0, Bytes<float>({0, 2, 1, 3, 4, 6, 5, 7}))
      .Tensor("blk.0.attn_k.weight", {1, 8}, 0, Bytes<float>({0, 4, 1, 5, 2, 6, 3, 7}))
      .Tensor("blk.0.attn_v.weight", {1, 8}, 0, Bytes(Iota(8)));
  const auto checkpoint = OpenCheckpoint(folder.Write("a.gguf", builder.Build()));
  const std::string attention = "model.layers.0.self_attn.";
  EXPECT_EQ(TensorValues(*checkpoint, attention + "q_proj.weight"), Iota(16));
  EXPECT_EQ(TensorValues(*checkpoint, attention + "q_proj.bias"), Iota(8));
  EXPECT_EQ(TensorValues(*checkpoint, attention + "k_proj.weight"), Iota(8))
      << "one key head of eight";
  EXPECT_EQ(TensorValues(*checkpoint, attention + "v_proj.weight"), Iota(8));
}

TEST(GgufCheckpointTest, KeyHeadsAreTheQueryHeadsWhereNotGiven) {
  const TempFolder folder;
  GgufBuilder builder;
  builder.Text("general.architecture", "llama")
      .U32("llama.attention.head_count", 2)
      .Tensor("blk.0.attn_k.weight", {1, 8}, 0, Bytes<float>({0, 2, 1, 3, 4, 6, 5, 7}));
  const auto checkpoint = OpenCheckpoint(folder.Write("a.gguf", builder.Build()));
  EXPECT_EQ(TensorValues(*checkpoint, "model.layers.0.self_attn.k_proj.weight"), Iota(8));
}

TEST(GgufCheckpointTest, QwenRowsAreAsTheyLie) {
  for (const char* architecture : {"qwen2", "qwen3"}) {
    const TempFolder folder;
    GgufBuilder builder = Architecture(architecture);
    builder.Tensor("blk.0.attn_q.weight", {1, 8}, 0, Bytes(Iota(8)));
    const auto checkpoint = OpenCheckpoint(folder.Write("a.gguf", builder.Build()));
    EXPECT_EQ(TensorValues(*checkpoint, "model.layers.0.self_attn.q_proj.weight"), Iota(8));
  }
}

TEST(GgufCheckpointTest, EmptyProjectionOfVeryManyRowsIsReadAtOnce) {
  const TempFolder folder;
  GgufBuilder builder = Architecture("llama");
  builder.Tensor("blk.0.attn_q.weight", {0, 1ULL << 40}, 0, "");
  const auto checkpoint = OpenCheckpoint(folder.Write("a.gguf", builder.Build()));
  EXPECT_TRUE(TensorValues(*checkpoint, "model.layers.0.self_attn.q_proj.weight").empty());
}

TEST(GgufCheckpointTest, RowsThatAreNotWholeHeadsAreAnError) {
  const TempFolder folder;
  GgufBuilder builder = Architecture("llama");
  builder.Tensor("blk.0.attn_q.weight", {1, 6}, 0, Bytes(Iota(6)))
      .Tensor("blk.0.attn_k.weight", {1, 3}, 0, Bytes(Iota(3)))
      .Tensor("blk.0.attn_k.bias", {}, 0, Bytes(Iota(1)));
  const std::string path = folder.Write("a.gguf", builder.Build());
  const auto checkpoint = OpenCheckpoint(path);
  const auto error_of = [&](const std::string& name) {
    return ErrorOf([&] { TensorValues(*checkpoint, "model.layers.0.self_attn." + name); });
  };
  const std::string tensor = path + ": tensor 'model.layers.0.self_attn.";
  EXPECT_EQ(error_of("q_proj.weight"),
            tensor +
                "q_proj.weight' of shape [6, 1] has not an even number of rows for each of "
                "the 2 heads of llama.attention.head_count");
  EXPECT_EQ(error_of("k_proj.weight"),
            tensor +
                "k_proj.weight' of shape [3, 1] has not an even number of rows for each of "
                "the 1 heads of llama.attention.head_count_kv");
  EXPECT_EQ(error_of("k_proj.bias"),
            tensor +
                "k_proj.bias' of shape [] has not an even number of rows for each of the 1 "
                "heads of llama.attention.head_count_kv");
}

TEST(GgufCheckpointTest, HeadCountMustBeThereAndPositive) {
  const auto error_of = [](GgufBuilder builder) {
    const TempFolder folder;
    builder.Text("general.architecture", "llama")
        .Tensor("blk.0.attn_q.weight", {1, 4}, 0, Bytes(Iota(4)));
    const std::string path = folder.Write("a.gguf", builder.Build());
    const std::string message = ErrorOf(
        [&] { TensorValues(*OpenCheckpoint(path), "model.layers.0.self_attn.q_proj.weight"); });
    return message.substr(std::min(path.size(), message.size()));
  };
  EXPECT_EQ(error_of(GgufBuilder()), ": has no key 'llama.attention.head_count'");
  EXPECT_EQ(error_of(GgufBuilder().U32("llama.attention.head_count", 0)),
            ": tensor 'model.layers.0.self_attn.q_proj.weight' of shape [4, 1] has not an even "
            "number of rows for each of the 0 heads of llama.attention.head_count");
}

TEST(GgufCheckpointTest, MissingTensorAndNanAreErrors) {
  const TempFolder folder;
  GgufBuilder builder = Architecture("qwen2");
  builder.Tensor("output.weight", {2}, 1, Bytes<std::uint16_t>({0x3c00, 0xfe00}));
  const std::string path = folder.Write("a.gguf", builder.Build());
  const auto checkpoint = OpenCheckpoint(path);
  EXPECT_EQ(ErrorOf([&] { TensorValues(*checkpoint, "output.weight"); }),
            path + ": tensor 'output.weight' is missing");
  EXPECT_EQ(ErrorOf([&] { TensorValues(*checkpoint, "lm_head.weight"); }),
            path + ": tensor 'lm_head.weight' holds NaN at element 1");
}

TEST(GgufCheckpointTest, TwoTensorsOfOneNameAreAnError) {
  const TempFolder folder;
  GgufBuilder builder = Architecture("llama");
  builder.Tensor("output.weight", {1}, 0, Bytes(1.0F))
      .Tensor("lm_head.weight", {1}, 0, Bytes(1.0F));
  const std::string path = folder.Write("a.gguf", builder.Build());
  EXPECT_EQ(ErrorOf([&] { OpenCheckpoint(path); }),
            path + ": two tensors have the name 'lm_head.weight'");
}

TEST(GgufCheckpointTest, PartOfASplitModelIsAnError) {
  const TempFolder folder;
  GgufBuilder builder = Architecture("llama");
  builder.Key("split.count", 2, Bytes<std::uint16_t>(3));
  const std::string path = folder.Write("a.gguf", builder.Build());
  EXPECT_EQ(ErrorOf([&] { OpenCheckpoint(path); }),
            path + ": is one of 3 parts of a model, expected a model in one file");
}

}  // namespace
}  // namespace roundlab
