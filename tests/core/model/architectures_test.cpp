#include <gtest/gtest.h>

#include <string>

#include "core/formats/safetensors.h"
#include "core/kernels/token_nll.h"
#include "core/model/model.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/shared_data.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::TensorNear;

// golden/archs/README.md: "Expect max |logit difference| <= 2e-4 in float32".
constexpr double kTolerance = 2e-4;

class ArchitectureTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ArchitectureTest, HiddenStatesLogitsAndNllEqualTransformers) {
  ROUNDLAB_SHARED_OR_SKIP(folder, std::string("golden/archs/") + GetParam());
  const SafetensorsFile golden(folder + "/golden.safetensors");
  const ModelFiles files(folder);
  const LanguageModel model(files, at::kFloat);
  const at::Tensor ids = GoldenTensor(golden, "input_ids");

  EXPECT_TRUE(TensorNear(model.ends().Embed(ids), GoldenTensor(golden, "embed"), kTolerance, 0));
  const RopeTable rope = model.ends().Rope(ids.size(1));
  at::Tensor hidden = model.ends().Embed(ids);
  for (std::size_t i = 0; i < model.blocks().size(); ++i) {
    hidden = model.blocks()[i]->Forward(hidden, rope);
    EXPECT_TRUE(
        TensorNear(hidden, GoldenTensor(golden, "hidden." + std::to_string(i)), kTolerance, 0))
        << "layer " << i;
  }
  EXPECT_TRUE(TensorNear(model.Hidden(ids), GoldenTensor(golden, "final"), kTolerance, 0));
  EXPECT_TRUE(TensorNear(model.Logits(ids), GoldenTensor(golden, "logits"), kTolerance, 0));
  EXPECT_TRUE(TensorNear(model.Nll(ids), GoldenTensor(golden, "nll"), kTolerance, 0));
}

INSTANTIATE_TEST_SUITE_P(Families, ArchitectureTest,
                         ::testing::Values("llama", "llama_sharded", "llama_gqa", "mistral",
                                           "qwen2", "qwen2_bf16", "qwen3"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace roundlab
