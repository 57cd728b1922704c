#include "rounding/fisher.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/interrupt.h"
#include "core/model/loader.h"
#include "rounding/pipeline.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

class FisherTest : public testing::PipelineFixture {
 protected:
  FisherTest() : PipelineFixture(6, 12) {
    quant_.spec.bits = 2;
    quant_.spec.group_size = -1;
  }
  QuantizedModel Run(const std::string& stage) { return PipelineFixture::Run({stage}); }
};

constexpr const char* kSqueeze = "type: round\nscheme: {type: squeezellm}";

TEST_F(FisherTest, IsTheSumOfSquaredGradientsOfEachSequence) {
  GradientProblem problem{files_.get(), inputs_.tokens, 1, {}};
  const std::string name = "model.layers.1.mlp.up_proj";
  const FisherDiagonal fisher = DiagonalFisher(
      problem, [&](const LinearSlot& slot) { return slot.name == name; }, &log_);
  ASSERT_EQ(fisher.size(), 1U);
  at::Tensor sum;
  for (std::int64_t row = 0; row < 6; ++row) {
    problem.tokens = inputs_.tokens.narrow(0, row, 1);
    VisitGradients(
        problem,
        [&](const LinearSlot& slot, const at::Tensor& gradient) {
          if (slot.name != name) return;
          sum = sum.defined() ? sum + gradient.square() : gradient.square();
        },
        &log_);
  }
  EXPECT_TRUE(TensorNear(fisher.at(name), sum, 0, 1e-5));
  EXPECT_GT(sum.max().item<double>(), 0);
}

TEST_F(FisherTest, APipelineServesItAndAResumeFindsIt) {
  const std::string whole = Run(kSqueeze).CodesSha256();
  quant_.spec.bits = 3;
  EXPECT_NE(Run(kSqueeze).CodesSha256(), whole);
  quant_.spec.bits = 2;
  inputs_.progress_folder = folder_ / "progress";
  inputs_.unit_kept = [] { throw Interrupted(); };
  EXPECT_THROW(Run(kSqueeze), Interrupted);
  inputs_.unit_kept = {};
  EXPECT_TRUE(std::filesystem::exists(inputs_.progress_folder + "/fisher"));
  EXPECT_EQ(Run(kSqueeze).CodesSha256(), whole);
}

TEST_F(FisherTest, NothingMayChangeTheWeightsBeforeIt) {
  std::vector<StageRecipe> pipeline = {Stages().FromText("type: awq_scale"),
                                       Stages().FromText(kSqueeze)};
  EXPECT_EQ(OrderProblems(pipeline).at(1),
            "'round' needs gradients by the weights as they were, which pipeline.0 transforms");
  pipeline[1] = Stages().FromText("type: round\nscheme: {type: squeezellm, sensitivity: inputs}");
  EXPECT_TRUE(OrderProblems(pipeline).empty());
}

}  // namespace
}  // namespace roundlab
