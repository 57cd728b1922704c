#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "core/model/model.h"
#include "rounding/pipeline.h"
#include "tests/support/family_folders.h"
#include "tests/support/golden_tensors.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::GoldenTensor;
using testing::TensorNear;

/// A transform leaves the model's function: logits of random models of every family are the same
/// when a transform alone has gone through them. Where a family has no place to fold a factor into,
/// the stage says so and leaves that layer.
class TransformLogitsTest : public ::testing::TestWithParam<std::string> {};

constexpr const char* kTransforms[] = {
    "type: smoothquant\nalpha: 0.7", "type: awq_scale\nratios: 4", "type: spiq",
    "type: teq\nsteps: 3\nbatch: 1\nstart: weights\noptimizer: {type: adam, lr: 0.05}"};

TEST_P(TransformLogitsTest, LogitsStayTheModels) {
  if (!testing::FamilyIsSupported(GetParam())) GTEST_SKIP() << "a family that is not supported";
  const ModelFiles files(GetParam());
  const SafetensorsFile golden(GetParam() + "/golden.safetensors");
  PipelineInputs inputs;
  inputs.source = &files;
  inputs.tokens = GoldenTensor(golden, "input_ids");
  QuantOptions quant;
  quant.spec.group_size = 16;
  const at::Tensor before = LanguageModel(files, at::kFloat).Logits(inputs.tokens);
  const double size = before.abs().max().item<double>();
  for (const char* transform : kTransforms) {
    SCOPED_TRACE(transform);
    RunRecord record;
    Log log("", true);
    const QuantizedModel made =
        QuantizeModel(inputs, quant, {Stages().FromText(transform)}, &record, &log);
    int changed = 0;
    const LanguageModel after(files, at::kFloat, [&](DecoderBlock* block) {
      const at::Tensor first = block->Slot(0).weight;
      made.ApplyTo(block);
      changed += at::equal(first, block->Slot(0).weight) ? 0 : 1;
    });
    EXPECT_TRUE(TensorNear(after.Logits(inputs.tokens), before, 2e-5 * size, 0));
    if (files.description().family == "llama") {
      EXPECT_GT(changed, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, TransformLogitsTest,
                         ::testing::ValuesIn(testing::FamilyFolders()),
                         [](const auto& test) { return testing::FamilyName(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransformLogitsTest);

}  // namespace
}  // namespace roundlab
