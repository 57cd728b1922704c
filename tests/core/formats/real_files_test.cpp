#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/formats/open_checkpoint.h"
#include "core/formats/safetensors.h"
#include "tests/core/formats/format_files.h"
#include "tests/core/formats/tensor_values.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using testing::ReadAll;
using testing::TensorValues;

/// The weights of `folder` are those of `exact`, each rounded to nearest, ties to even, so that
/// only `bits` bits of the significand remain (normal numbers only: others are skipped).
void ExpectRounded(const Checkpoint& folder, const Checkpoint& exact, int bits, double smallest) {
  ASSERT_EQ(folder.Names(), exact.Names());
  for (const std::string& name : exact.Names()) {
    const std::vector<float> want = TensorValues(exact, name);
    const std::vector<float> got = TensorValues(folder, name);
    ASSERT_EQ(got.size(), want.size()) << name;
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (std::abs(want[i]) < smallest) continue;
      int exponent = 0;
      const double fraction = std::frexp(want[i], &exponent);
      ASSERT_EQ(got[i], std::ldexp(std::nearbyint(std::ldexp(fraction, bits)), exponent - bits))
          << name << " " << i;
    }
  }
}

TEST(RealFilesTest, NamesTypesAndShapesAreThoseOfTheManifest) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/archs");
  const auto manifest = nlohmann::json::parse(ReadAll(path + "/manifest.json"));
  ASSERT_FALSE(manifest.empty());
  for (const auto& [model, facts] : manifest.items()) {
    const auto checkpoint = OpenCheckpoint(path + "/" + model);
    EXPECT_EQ(checkpoint->Names().size(), facts["tensors"].size()) << model;
    for (const auto& [name, tensor] : facts["tensors"].items()) {
      const TensorView* view = checkpoint->Find(name);
      ASSERT_NE(view, nullptr) << model << " " << name;
      EXPECT_EQ(ElementTypeName(view->type), tensor[0].get<std::string>()) << model << " " << name;
      const std::vector<std::int64_t> shape(tensor.begin() + 1, tensor.end());
      EXPECT_EQ(view->shape, shape) << model << " " << name;
    }
  }
}

TEST(RealFilesTest, ShardsGiveWhatOneFileGives) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/archs");
  const auto whole = OpenCheckpoint(path + "/llama");
  const auto shards = OpenCheckpoint(path + "/llama_sharded");
  ASSERT_EQ(shards->Names(), whole->Names());
  for (const std::string& name : whole->Names()) {
    EXPECT_EQ(TensorValues(*shards, name), TensorValues(*whole, name)) << name;
  }
}

TEST(RealFilesTest, BFloat16IsTheRoundedFloat) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/archs");
  ExpectRounded(*OpenCheckpoint(path + "/qwen2_bf16"), *OpenCheckpoint(path + "/qwen2"), 8,
                0x1p-126);
}

TEST(RealFilesTest, HalfIsTheRoundedFloat) {
  ROUNDLAB_SHARED_OR_SKIP(path, "golden/archs");
  ExpectRounded(*OpenCheckpoint(path + "/opt_f16"), *OpenCheckpoint(path + "/opt"), 11, 0x1p-14);
}

TEST(RealFilesTest, ModelsWrittenAgainAreTheSame) {
  ROUNDLAB_SHARED_OR_SKIP(path, "models");
  const testing::TempFolder folder;
  for (const char* model : {"TinyStories-656K-bf16", "babyllama-tok105", "stories260K"}) {
    const SafetensorsFile file(path + "/" + model + "/model.safetensors");
    std::vector<TensorToWrite> tensors;
    for (const TensorView& view : file.tensors()) {
      tensors.push_back({view.name, view.type, view.shape, view.bytes});
    }
    WriteSafetensors(folder / "model.safetensors", tensors, file.metadata());
    const SafetensorsFile again(folder / "model.safetensors");
    EXPECT_EQ(again.metadata(), file.metadata());
    ASSERT_EQ(again.tensors().size(), file.tensors().size());
    for (const TensorView& view : file.tensors()) {
      const TensorView* copy = again.Find(view.name);
      ASSERT_NE(copy, nullptr) << view.name;
      EXPECT_EQ(copy->type, view.type);
      EXPECT_EQ(copy->shape, view.shape);
      EXPECT_TRUE(
          std::equal(copy->bytes.begin(), copy->bytes.end(), view.bytes.begin(), view.bytes.end()));
    }
  }
}

TEST(RealFilesTest, VocabularyGgufHasItsTokens) {
  ROUNDLAB_SHARED_OR_SKIP(path, "tokenizers");
  const GgufFile gpt2(path + "/ggml-vocab-gpt-2.gguf");
  const auto vocabulary = nlohmann::json::parse(ReadAll(path + "/gpt2/vocab.json"));
  const std::vector<std::string>& tokens = gpt2.Strings("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), vocabulary.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    ASSERT_EQ(vocabulary.at(tokens[id]).get<std::size_t>(), id);
  }
  EXPECT_TRUE(gpt2.tensors().empty());
  const GgufFile llama(path + "/ggml-vocab-llama-spm.gguf");
  EXPECT_EQ(llama.String("tokenizer.ggml.model"), "llama");
  EXPECT_EQ(llama.Strings("tokenizer.ggml.tokens").size(), 32000U);
  EXPECT_EQ(llama.Reals("tokenizer.ggml.scores").size(), 32000U);
  EXPECT_EQ(llama.Integers("tokenizer.ggml.token_type").size(), 32000U);
}

}  // namespace
}  // namespace roundlab
