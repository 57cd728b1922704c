#include "rounding/schemes/omniquant.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::MakeLayer;
using testing::TensorNear;

TEST(OmniQuantTest, ClipsByTheSigmoidWithoutZeroInTheRange) {
  // 1.5 .. 3 at 2 bits: a step of 0.5, and the zero point is -3.
  const at::Tensor weight = at::tensor({1.5F, 2.0F, 2.5F, 3.0F}).view({1, 4});
  const LayerContext context = MakeLayer(weight, {2, -1, GridKind::kAsym, ScaleType::kFloat32});
  const QuantizedWeight whole = BeginLayer("type: omniquant\ninit: 40", context)->Finish();
  EXPECT_TRUE(TensorNear(whole.Dequantize(), weight, 1e-6, 0));
  EXPECT_EQ(whole.zero.item<double>(), -3);
  const double kept = 1 / (1 + std::exp(-4.0));
  const QuantizedWeight start = BeginLayer("type: omniquant", context)->Finish();
  EXPECT_NEAR(start.scale.item<double>(), 0.5 * kept, 1e-6);
  const QuantizedWeight with_zero =
      BeginLayer("type: omniquant\nown_range: false", context)->Finish();
  EXPECT_NEAR(with_zero.scale.item<double>(), kept, 1e-6);
  EXPECT_EQ(with_zero.zero.item<double>(), 0);
}

TEST(OmniQuantTest, SymmetricScalesAreTheLargerClippedBoundOverTheLastCode) {
  // Three bits, rows of four: +-3 codes of 1, and the scale of a row without 0 in its range.
  const at::Tensor weight =
      at::tensor({-3.0F, 1.0F, 2.0F, 1.6F, 2.0F, 4.0F, 5.0F, 6.0F}).view({2, 4});
  const LayerContext context =
      MakeLayer(weight, {3, -1, GridKind::kSymRestricted, ScaleType::kFloat32});
  const QuantizedWeight whole = BeginLayer("type: omniquant\ninit: 40", context)->Finish();
  const at::Tensor rounded = at::tensor({-3.0F, 1.0F, 2.0F, 2.0F, 2.0F, 4.0F, 4.0F, 6.0F});
  EXPECT_TRUE(at::equal(whole.Dequantize(), rounded.view({2, 4})));
  EXPECT_TRUE(at::equal(whole.zero, at::full({2, 1}, 4.0F)));

  // hi' = sigmoid(gamma) max, lo' = sigmoid(beta) min, each the larger in one of the rows.
  const auto layer = BeginLayer("type: omniquant", context);
  const auto clip = layer->Parameters().at(0).tensors;
  const double quarter = std::log(0.25 / 0.75);
  {
    const c10::NoGradGuard no_grad;
    clip[0].copy_(at::tensor({static_cast<float>(quarter), 40.0F}));  // lo' = -0.75, 2
    clip[1].fill_(quarter);                                           // hi' = 0.5, 1.5
  }
  EXPECT_TRUE(
      TensorNear(layer->Finish().scale, at::tensor({0.25F, 2.0F / 3}).view({2, 1}), 0, 1e-6));

  // A weight inside of the codes moves with round(w / s) - w / s for each unit of s, one that is
  // clipped with its code.
  const at::Tensor soft = layer->SoftWeight();
  soft.sum().backward();
  // Row 0 in steps of 0.25: -12, 4, 8, 6.4 become -4, 3, 3, 3; of |lo'| = 3 sigmoid / 3.
  EXPECT_NEAR(clip[0].grad()[0].item<double>(), (-4 + 3 + 3 + 3) * 0.25 * 0.75 * 3 / 3, 1e-5);
  EXPECT_EQ(clip[1].grad()[0].item<double>(), 0);
  // Row 1 in steps of 2 / 3: 3, 6, 7.5, 9 become 3 all; lo' hardly moves, hi' has no part.
  EXPECT_EQ(clip[1].grad()[1].item<double>(), 0);
}

TEST(OmniQuantTest, SymmetricGroupsOfZerosAndHugeOnesAreHeld) {
  const at::Tensor weight = at::tensor({0.0F, 0.0F, -9e4F, 3.0F}).view({2, 2});
  const LayerContext context =
      MakeLayer(weight, {3, -1, GridKind::kSymRestricted, ScaleType::kFloat32});
  const QuantizedWeight held = BeginLayer("type: omniquant", context)->Finish();
  EXPECT_TRUE(at::equal(held.scale, at::tensor({1e-5F, 1e4F}).view({2, 1})));
  // Of the stage's range, sym_restricted is MakeGrid's.
  const QuantizedWeight of_range =
      BeginLayer("type: omniquant\ninit: 40\nown_range: false", context)->Finish();
  EXPECT_EQ(of_range.scale[1].item<double>(), 3e4);
}

TEST(OmniQuantTest, CountsScalesThatAreHeld) {
  // A step of 5e4 in one row of two.
  const at::Tensor weight = at::tensor({0.0F, 1.5e5F, 0.0F, 3.0F}).view({2, 2});
  const LayerContext context = MakeLayer(weight, {2, -1, GridKind::kAsym, ScaleType::kFloat32});
  EXPECT_EQ(BeginLayer("type: omniquant", context)->Diagnose().at("held_scales"),
            std::vector<double>{1});
  EXPECT_EQ(
      BeginLayer("type: omniquant\nown_range: false", context)->Diagnose().count("held_scales"),
      0U);
}

}  // namespace
}  // namespace roundlab
