#include "core/quant/activation_quantizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "tests/support/random_tensor.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomTensor;
using testing::TensorNear;

ActivationSpec SpecOf(CodeKind grid, RangePer per, std::int64_t bits = 4) {
  ActivationSpec spec;
  spec.bits = bits;
  spec.grid = grid;
  spec.per = per;
  spec.group_size = 4;
  return spec;
}

/// Nearest multiple of the scale, one value after the other.
double Nearest(double x, double scale, double zero, const ActivationSpec& spec) {
  const double code = std::nearbyint(x / scale + zero);
  return scale * (std::min(std::max(code, spec.LowestCode()), spec.HighestCode()) - zero);
}

TEST(ActivationQuantizerTest, TokensAreRoundedOnScalesOfTheirOwn) {
  const at::Tensor x = RandomTensor({2, 3, 8}, 1);
  const ActivationSpec spec = SpecOf(CodeKind::kAsym, RangePer::kToken);
  const at::Tensor y = ActivationQuantizer{spec}.Apply(x);
  for (std::int64_t token = 0; token < 6; ++token) {
    const at::Tensor row = x.view({6, 8})[token];
    const double low = std::min(0.0, row.min().item<double>());
    const double scale = (std::max(0.0, row.max().item<double>()) - low) / 15;
    const double zero = std::nearbyint(-8 - low / scale);
    for (std::int64_t i = 0; i < 8; ++i) {
      EXPECT_NEAR(y.view({6, 8})[token][i].item<double>(),
                  Nearest(row[i].item<double>(), scale, zero, spec), 1e-5);
    }
  }
}

TEST(ActivationQuantizerTest, ErrorsAreAtMostHalfAStepOnEveryGridAndRange) {
  const at::Tensor x = RandomTensor({2, 5, 3, 8}, 2, 3) + 0.5;
  for (const auto& [grid, grid_name] : CodeKindNames()) {
    for (const auto& [per, per_name] : RangePerNames()) {
      SCOPED_TRACE(std::string(grid_name) + " " + per_name);
      const ActivationQuantizer quantizer{SpecOf(grid, per, 6)};
      const at::Tensor view = ActivationView(x, quantizer.spec);
      const at::Tensor step = quantizer.GridOf(view).scale;
      const at::Tensor error = (quantizer.Apply(x).reshape(view.sizes()) - view).abs();
      // The ends of centered and asym may be cut by a zero point that was rounded.
      const bool cut = grid == CodeKind::kCentered || grid == CodeKind::kAsym;
      EXPECT_TRUE((error <= step * (cut ? 1.5001 : 0.5001)).all().item<bool>());
      EXPECT_EQ(quantizer.SpansTokens(), per != RangePer::kToken && per != RangePer::kGroup);
    }
  }
}

TEST(ActivationQuantizerTest, TokensOfOtherTextsDoNotMatter) {
  const at::Tensor x = RandomTensor({3, 5, 8}, 3);
  for (const auto& [per, name] : RangePerNames()) {
    const ActivationQuantizer quantizer{SpecOf(CodeKind::kSym, per)};
    const at::Tensor together = quantizer.Apply(x);
    EXPECT_TRUE(at::equal(together.narrow(0, 1, 1), quantizer.Apply(x.narrow(0, 1, 1)))) << name;
  }
}

TEST(ActivationQuantizerTest, GradientIsThatOfTheInputsInsideTheRange) {
  const at::Tensor x = at::tensor({-3.0F, -0.4F, 0.2F, 5.0F}).unsqueeze(0).requires_grad_();
  const ActivationSpec spec = SpecOf(CodeKind::kSymRestricted, RangePer::kTensor);
  const ActivationQuantizer fixed{spec, at::full({1, 1}, 0.1F), at::zeros({1, 1})};
  const at::Tensor y = fixed.Apply(x);
  EXPECT_TRUE(at::equal(y, fixed.Apply(x.detach())));
  y.sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), at::tensor({0.0F, 1.0F, 1.0F, 0.0F}).unsqueeze(0)));
  x.mutable_grad().reset();
  const at::Tensor dynamic = ActivationQuantizer{spec}.Apply(x);
  EXPECT_TRUE(at::equal(dynamic, ActivationQuantizer{spec}.Apply(x.detach())));
  dynamic.sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), at::ones({1, 4})));
}

TEST(ActivationQuantizerTest, ZerosStayZerosAndNothingStaysNothing) {
  for (const auto& [grid, name] : CodeKindNames()) {
    const ActivationQuantizer quantizer{SpecOf(grid, RangePer::kToken)};
    EXPECT_TRUE(at::equal(quantizer.Apply(at::zeros({2, 8})), at::zeros({2, 8}))) << name;
    EXPECT_EQ(quantizer.Apply(at::zeros({0, 8})).sizes(), at::IntArrayRef({0, 8}));
  }
}

TEST(ActivationQuantizerTest, SixteenBitsComeBackAsTheyCame) {
  const at::Tensor x = RandomTensor({4, 8}, 5).to(at::kBFloat16);
  const at::Tensor y = ActivationQuantizer{SpecOf(CodeKind::kSym, RangePer::kToken, 8)}.Apply(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(TensorNear(y.to(at::kFloat), x.to(at::kFloat), 0.02, 0.01));
}

TEST(ActivationQuantizerTest, SpecsAreReadBack) {
  for (const auto& [grid, grid_name] : CodeKindNames()) {
    for (const auto& [per, per_name] : RangePerNames()) {
      const ActivationSpec spec = SpecOf(grid, per, 5);
      EXPECT_EQ(ReadActivationSpec(SpecText(spec), "file"), spec);
    }
  }
  for (const char* bad : {"", "8", "8 asym", "8 best token 1", "8 asym day 1", "40 asym token 1",
                          "8 asym token 1 0", "8 asym token 1 -2", "8 asym token 1 6x"}) {
    try {
      ReadActivationSpec(bad, "file");
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()), "file: bad activation spec '" + std::string(bad) + "'");
    }
  }
}

TEST(ActivationQuantizerTest, OutlierChannelsStayAndOthersDoNotKnowOfThem) {
  ActivationSpec spec = SpecOf(CodeKind::kSymRestricted, RangePer::kToken, 8);
  spec.threshold = 6;
  at::Tensor x = RandomTensor({2, 5, 8}, 3);
  const at::Tensor plain = ActivationQuantizer{spec}.Apply(x);
  x[0][2][3] = -6;  // an outlier channel of the first text alone
  x[0][4][3] = 100;
  const at::Tensor y = ActivationQuantizer{spec}.Apply(x);
  EXPECT_TRUE(at::equal(y[0].select(1, 3), x[0].select(1, 3)));
  EXPECT_TRUE(at::equal(y[1], plain[1]));
  EXPECT_TRUE(TensorNear(y[0].narrow(1, 4, 4), x[0].narrow(1, 4, 4), 4.0 / 127, 0));
  EXPECT_TRUE(ActivationQuantizer{spec}.SpansTokens());
  for (const double threshold : {6.0, 5.12345678901234, 4e-7}) {
    spec.threshold = threshold;
    EXPECT_EQ(ReadActivationSpec(SpecText(spec), "file"), spec) << SpecText(spec);
  }
  // A token of zeros has codes of 0.
  EXPECT_EQ(ActivationQuantizer{spec}.Apply(at::zeros({2, 4})).abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace roundlab
