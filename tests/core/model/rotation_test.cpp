#include "core/model/rotation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/model/families.h"
#include "core/model/model.h"
#include "tests/support/family_folders.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::TensorNear;

constexpr ResidualRotation kAllRotations[] = {ResidualRotation::kNone, ResidualRotation::kHadamard,
                                              ResidualRotation::kRandomHadamard,
                                              ResidualRotation::kRandom};

TEST(RotationMatrixTest, IsOrthonormalForAnySize) {
  for (const ResidualRotation rotation : kAllRotations) {
    for (const std::int64_t size : {1, 6, 9, 16, 48, 80}) {
      const at::Tensor q = RotationMatrix(rotation, size, 3);
      EXPECT_TRUE(TensorNear(at::matmul(q, q.t()), at::eye(size, at::kDouble), 1e-12, 0)) << size;
      EXPECT_TRUE(at::equal(q, RotationMatrix(rotation, size, 3)));
    }
  }
}

TEST(RotationMatrixTest, HadamardMixesAllInputsAlikeWhereItCan) {
  const at::Tensor q = RotationMatrix(ResidualRotation::kRandomHadamard, 32, 1);
  EXPECT_TRUE(TensorNear(q.abs(), at::full({32, 32}, 1 / std::sqrt(32.0), at::kDouble), 1e-12, 0));
  EXPECT_FALSE(at::equal(q, RotationMatrix(ResidualRotation::kRandomHadamard, 32, 2)));
  EXPECT_GT(RotationMatrix(ResidualRotation::kHadamard, 24, 1).abs().min().item<double>(), 0.01);
}

RotationOptions Only(ResidualRotation residual, bool heads, bool down, bool keys) {
  RotationOptions options;
  options.residual = residual;
  options.heads = heads;
  options.down = down;
  options.keys = keys;
  return options;
}

/// Logits of random models of every family that this can read are the same when turned.
class RotationLawTest : public ::testing::TestWithParam<std::string> {};

TEST_P(RotationLawTest, LogitsOfATurnedModelAreTheModels) {
  if (!testing::FamilyIsSupported(GetParam())) GTEST_SKIP() << "a family that is not supported";
  const auto files = std::make_shared<ModelFiles>(GetParam());
  const SafetensorsFile golden(GetParam() + "/golden.safetensors");
  const at::Tensor ids = GoldenTensor(golden, "input_ids");
  const at::Tensor before = LanguageModel(*files, at::kFloat).Logits(ids);
  const double size = before.abs().max().item<double>();
  for (const ResidualRotation rotation : kAllRotations) {
    for (const int parts : {0, 1, 2, 4, 7}) {
      const RotationOptions options =
          Only(rotation, (parts & 1) != 0, (parts & 2) != 0, (parts & 4) != 0);
      if (!RotationProblem(files->description(), options).empty()) {
        EXPECT_THROW(RotatedSource(files, options), Error);
        continue;
      }
      const RotatedSource turned(files, options);
      EXPECT_TRUE(TensorNear(LanguageModel(turned, at::kFloat).Logits(ids), before, 2e-5 * size, 0))
          << parts;
      EXPECT_NE(turned.Fingerprint(), files->Fingerprint());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RotationLawTest, ::testing::ValuesIn(testing::FamilyFolders()),
                         [](const auto& test) { return testing::FamilyName(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RotationLawTest);

TEST(RotationTest, WhatCantBeTurnedIsTold) {
  const ModelFiles olmo(testing::SourceFolder() + "/tests/golden/families/olmo2");
  EXPECT_EQ(RotationProblem(olmo.description(), {}),
            "the residual stream of family 'olmo2' can't be turned, since norm "
            "'model.layers.0.post_attention_layernorm' scales what is written to the residual "
            "stream (residual: none)");
  EXPECT_EQ(RotationProblem(olmo.description(), Only(ResidualRotation::kNone, true, true, true)),
            "");
  const ModelFiles clipped(testing::SourceFolder() + "/tests/golden/families/olmo");
  EXPECT_EQ(RotationProblem(clipped.description(), Only(ResidualRotation::kNone, true, true, true)),
            "the heads of family 'olmo' can't be turned, since its values are held to a range "
            "(heads: false)");
  const ModelFiles mixture(testing::SourceFolder() + "/tests/golden/families/phimoe");
  EXPECT_EQ(RotationProblem(mixture.description(), {}),
            "the residual stream of family 'phimoe' can't be turned, since norm "
            "'model.layers.0.post_attention_layernorm' of experts has a bias (residual: none)");
  EXPECT_EQ(
      RotationProblem(clipped.description(), Only(ResidualRotation::kRandom, false, true, true)),
      "");
  const auto opt = [](const std::string& more) {
    return DescribeHuggingFace(
        R"({"model_type": "opt", "hidden_size": 64, "ffn_dim": 128, "num_hidden_layers": 2,)"
        R"("num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 64)" +
            more + "}",
        "config.json");
  };
  EXPECT_EQ(RotationProblem(opt(""), {}), "");
  EXPECT_EQ(RotationProblem(opt(R"(, "_remove_final_layer_norm": true)"), {}),
            "the residual stream of family 'opt' can't be turned, since its head reads the mean of "
            "the residual stream, which the blocks' norms subtract (residual: none)");
}

}  // namespace
}  // namespace roundlab
