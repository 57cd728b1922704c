#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/model/model.h"
#include "core/model/sample.h"
#include "rounding/pipeline.h"
#include "rounding/tuner/loss.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::RandomTensor;
using testing::TensorNear;

TEST(SoftLabelsTest, IsTheDivergenceOfNextTokenDistributions) {
  const auto loss = Losses().FromText("type: soft_labels").make();
  EXPECT_TRUE(loss->OfLogits());
  const at::Tensor teacher = at::tensor({0.0F, std::log(3.0F)}).view({1, 1, 2});
  const at::Tensor student = at::zeros({1, 1, 2}).requires_grad_(true);
  const at::Tensor value = loss->Of(student, teacher);
  EXPECT_NEAR(value.item<double>(), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-6);
  value.backward();
  EXPECT_TRUE(TensorNear(student.grad().flatten(), at::tensor({0.25F, -0.25F}), 1e-6, 0));
  const at::Tensor logits = RandomTensor({2, 3, 7}, 1);
  EXPECT_EQ(loss->Of(logits, logits).item<double>(), 0);
}

class LlmQatTest : public ::testing::Test {
 protected:
  LlmQatTest() : folder_(::testing::TempDir() + "/qat_" + std::to_string(::getpid())) {
    testing::TinyModel().Write(folder_);
    files_ = std::make_unique<ModelFiles>(folder_);
    model_ = std::make_unique<LanguageModel>(*files_, at::kFloat);
  }
  ~LlmQatTest() override { std::filesystem::remove_all(folder_); }

  RunRecord Run(const std::string& stage) {
    PipelineInputs inputs;
    inputs.source = files_.get();
    inputs.tokens = SampleTokens(*model_, {8, 0, 12});
    QuantOptions quant;
    quant.spec = {3, -1, GridKind::kSym, ScaleType::kFloat32, false};
    RunRecord record;
    Log log("", true);
    QuantizeModel(inputs, quant, {Stages().FromText("type: round\n" + stage)}, &record, &log);
    return record;
  }

  std::string folder_;
  std::unique_ptr<ModelFiles> files_;
  std::unique_ptr<LanguageModel> model_;
};

TEST_F(LlmQatTest, SamplesBeginGreedilyAndDependOnTheirNumberOnly) {
  const at::Tensor tokens = SampleTokens(*model_, {3, 0, 10, 4, 5});
  ASSERT_EQ(tokens.sizes(), (at::IntArrayRef{3, 10}));
  for (std::int64_t t = 1; t <= 4; ++t) {
    const at::Tensor logits = model_->Logits(tokens.narrow(1, 0, t)).select(1, t - 1);
    EXPECT_TRUE(at::equal(tokens.select(1, t), logits.argmax(1)));
  }
  EXPECT_TRUE(at::equal(SampleTokens(*model_, {1, 2, 10, 4, 5}), tokens.narrow(0, 2, 1)));
  EXPECT_FALSE(at::equal(SampleTokens(*model_, {3, 0, 10, 4, 6}), tokens));
  EXPECT_EQ(ErrorOf([&] {
              SampleTokens(*model_, {1, 0, 65});
            }),
            "sample: 65 tokens a document; the model's context is 64");
}

TEST_F(LlmQatTest, TrainingTheWholeModelLowersTheDivergence) {
  const RunRecord record =
      Run("scheme: llm_qat\nloss: soft_labels\nunit: {blocks: 2}\nsteps: 25\nbatch: 4\n"
          "optimizer: {type: adamw, lr: 0.002}\nselect: best_full\ncheck_every: 5");
  const auto value = [&](const std::string& name) { return record.arrays().at(name).values[0]; };
  EXPECT_LT(value("units/blocks_0-1/loss_after"), 0.9 * value("units/blocks_0-1/loss_before"));
  EXPECT_GT(value("layers/model.layers.0.mlp.up_proj/weight_drift"), 0);
}

TEST_F(LlmQatTest, LogitsNeedTheWholeModel) {
  const std::string needs =
      "pipeline.0: loss 'soft_labels' is of the model's logits and needs unit: {blocks: 2}, the "
      "whole model";
  EXPECT_EQ(ErrorOf([&] { Run("scheme: llm_qat\nunit: block"); }), needs);
  EXPECT_EQ(ErrorOf([&] { Run("scheme: signround\nloss: soft_labels\nunit: linear"); }), needs);
}

}  // namespace
}  // namespace roundlab
