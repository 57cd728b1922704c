#include "rounding/tuner/rotation_learning.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "core/model/model.h"
#include "rounding/stage.h"
#include "tests/rounding/pipeline_fixture.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

at::Tensor RandomRotation(std::int64_t size, std::uint64_t seed) {
  return RotationMatrix(ResidualRotation::kRandom, size, seed);
}

TEST(CayleyStepTest, StaysOrthogonalAndGoesDownhill) {
  const at::Tensor target = RandomTensor({9, 9}, 1).to(at::kDouble);
  at::Tensor x = RandomRotation(9, 2);
  double last = 1e9;
  for (int step = 0; step < 40; ++step) {  // |X - T|^2, whose gradient is 2 (X - T)
    const double loss = (x - target).square().sum().item<double>();
    EXPECT_LT(loss, last);
    last = loss;
    x = CayleyStep(x, 2 * (x - target), 0.02);
    EXPECT_TRUE(TensorNear(at::matmul(x, x.t()), at::eye(9, at::kDouble), 1e-12, 0));
  }
}

TEST(CayleyStepTest, TurnsThePlaneByItsAngle) {
  const at::Tensor x = at::eye(2, at::kDouble);
  const at::Tensor gradient = at::tensor({0.0, 0.5, -0.5, 0.0}, at::kDouble).view({2, 2});
  // Y = -G, W^ = Y / 2 and W = W^ - W^^T = -G: a plane's turn with w = 1/2.
  const at::Tensor moved = CayleyStep(x, gradient, 0.1);
  const double angle = 2 * std::atan(0.1 * 0.5 / 2);
  EXPECT_NEAR(moved[0][0].item<double>(), std::cos(angle), 1e-12);
  EXPECT_NEAR(moved[0][1].item<double>(), -std::sin(angle), 1e-12);
}

TEST(CayleyStepTest, NoStepGoesTooFarAndNoGradientMovesNothing) {
  const at::Tensor x = RandomRotation(6, 3);
  const at::Tensor gradient = RandomTensor({6, 6}, 4).to(at::kDouble);
  EXPECT_TRUE(
      TensorNear(CayleyStep(x, gradient * 1e6, 1e6), CayleyStep(x, gradient, 1e6), 1e-9, 0));
  EXPECT_TRUE(TensorNear(CayleyStep(x, at::zeros_like(x), 1), x, 1e-12, 0));
}

/// A tiny model that is turned at random at first.
class LearnedRotationTest : public testing::PipelineFixture {
 protected:
  LearnedRotationTest() : PipelineFixture(8, 12) {
    options_.residual = ResidualRotation::kRandom;
    options_.learn.emplace();
    options_.learn->steps = 20;
    options_.learn->batch = 8;
    options_.learn->bits = 3;
  }
  LearnedRotation Learn() {
    const RotatedSource start(source_, options_);
    return LearnRotation({&start, inputs_.tokens, *options_.learn}, &log_);
  }
  std::shared_ptr<const ModelSource> source_ = std::make_shared<ModelFiles>(folder_.path());
  RotationOptions options_;
};

TEST_F(LearnedRotationTest, TheLossFallsAndLogitsStay) {
  const LearnedRotation learned = Learn();
  EXPECT_LT(learned.loss_after, learned.loss_before);
  const at::Tensor& q = learned.rotation;
  EXPECT_TRUE(TensorNear(at::matmul(q.t(), q), at::eye(q.size(0), at::kDouble), 1e-5, 0));
  const RotatedSource turned(source_, options_, q);
  const at::Tensor before = LanguageModel(*source_, at::kFloat).Logits(inputs_.tokens);
  const double size = before.abs().max().item<double>();
  EXPECT_TRUE(
      TensorNear(LanguageModel(turned, at::kFloat).Logits(inputs_.tokens), before, 2e-5 * size, 0));
  EXPECT_TRUE(at::equal(Learn().rotation, q));
  EXPECT_NE(turned.Fingerprint(), RotatedSource(source_, options_).Fingerprint());
}

/// The loss that is learned by is that of the turned model with a stage `activations`.
TEST_F(LearnedRotationTest, TheLossIsThatOfTheQuantizedModel) {
  const LearnedRotation learned = Learn();
  const auto loss = [&](const RotatedSource& source) {
    inputs_.source = &source;
    const QuantizedModel made = Run({"type: activations\nbits: 3\ngrid: sym_restricted"});
    const LanguageModel model(source, at::kFloat, [&](DecoderBlock* b) { made.ApplyTo(b); });
    return model.Nll(inputs_.tokens).mean(at::kDouble).item<double>();
  };
  // Values on a tie of two codes may fall either way.
  EXPECT_NEAR(loss(RotatedSource(source_, options_)), learned.loss_before, 2e-3);
  EXPECT_NEAR(loss(RotatedSource(source_, options_, learned.rotation)), learned.loss_after, 2e-3);
}

TEST_F(LearnedRotationTest, AWorseEndIsNotKept) {
  options_.learn->steps = 1;
  options_.learn->bits = 16;  // nothing to win
  const LearnedRotation learned = Learn();
  EXPECT_LE(learned.loss_after, learned.loss_before);
  if (learned.loss_after == learned.loss_before) {
    const at::Tensor start = RotatedSource(source_, options_).rotation();
    EXPECT_TRUE(at::equal(learned.rotation, start.to(at::kFloat).to(at::kDouble)));
  }
}

TEST(RotationOptionsTest, LearningNeedsAStart) {
  RotationOptions options;
  std::vector<Diagnostic> problems;
  ReadFields(ParseYaml("residual: none\nlearn: {}", "f"), "rotate", FieldsOf(&options), &problems);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems[0].message.find("learn needs a matrix to start from, not residual: none"),
            std::string::npos);
}

}  // namespace
}  // namespace roundlab
