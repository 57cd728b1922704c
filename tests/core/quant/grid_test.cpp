#include "core/quant/grid.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/config/fields.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::TensorNear;

at::Tensor Floats(const std::vector<float>& values) { return at::tensor(values, at::kFloat); }

AffineGrid Grid(const std::vector<float>& low, const std::vector<float>& high,
                const QuantSpec& spec) {
  return MakeGrid({Floats(low), Floats(high)}, spec);
}

void ExpectGrid(const AffineGrid& grid, const std::vector<float>& scale,
                const std::vector<float>& zero) {
  EXPECT_TRUE(TensorNear(grid.scale, Floats(scale), 0, 0));
  EXPECT_TRUE(TensorNear(grid.zero, Floats(zero), 0, 0));
}

TEST(GridTest, AsymmetricCoversTheRange) {
  for (const std::int64_t bits : {2, 3, 4, 8}) {
    const float steps = static_cast<float>((1 << bits) - 1);
    // Ranges of exactly `steps`: scale 1, zero the rounded -low.
    ExpectGrid(Grid({0, -1, -steps}, {steps, steps - 1, 0},
                    {bits, 32, GridKind::kAsym, ScaleType::kFloat32}),
               {1, 1, 1}, {0, 1, steps});
  }
}

TEST(GridTest, ZeroPointRoundsHalfToEven) {
  ExpectGrid(Grid({-0.5F, -1.5F, -2.5F, -2.75F}, {14.5F, 13.5F, 12.5F, 12.25F},
                  {4, 32, GridKind::kAsym, ScaleType::kFloat32}),
             {1, 1, 1, 1}, {0, 2, 2, 3});
}

TEST(GridTest, SymmetricPutsZeroInTheMiddle) {
  // 2 m / Q with m the larger side, whichever it is.
  ExpectGrid(Grid({-7.5F, -3, 0}, {3, 7.5F, 7.5F}, {4, 32, GridKind::kSym, ScaleType::kFloat32}),
             {1, 1, 1}, {8, 8, 8});
  ExpectGrid(Grid({-3, -1}, {1, 3}, {2, 32, GridKind::kSym, ScaleType::kFloat32}), {2, 2}, {2, 2});
}

TEST(GridTest, RestrictedSymmetricLeavesTheLowestCodeOut) {
  const QuantSpec spec{4, 32, GridKind::kSymRestricted, ScaleType::kFloat32};
  ExpectGrid(Grid({-7, -3, 0}, {3, 7, 7}, spec), {1, 1, 1}, {8, 8, 8});
}

TEST(GridTest, GptqQuirkKeepsHalfTheRangeOfGroupsWithoutNegatives) {
  // IST-DASLab/gptq quant.py: only where xmin < 0 does xmin become -xmax; then (xmax - xmin) / Q.
  const QuantSpec quirk{4, 32, GridKind::kSym, ScaleType::kFloat32, true};
  ExpectGrid(Grid({0, -1, -7.5F}, {7.5F, 7.5F, 0}, quirk), {0.5F, 1, 1}, {8, 8, 8});
  const QuantSpec plain{4, 32, GridKind::kSym, ScaleType::kFloat32, false};
  ExpectGrid(Grid({0, -1, -7.5F}, {7.5F, 7.5F, 0}, plain), {1, 1, 1}, {8, 8, 8});
}

TEST(GridTest, FullRangeSymmetricPutsTheLargestOnCodeZero) {
  const QuantSpec spec{4, 32, GridKind::kSymFull, ScaleType::kFloat32};
  const AffineGrid grid = Grid({-8, -3, -8}, {3, 8, 8}, spec);
  // Both sides equal: negative, as auto-round's 2 * (max < -min) - 1.
  ExpectGrid(grid, {1, -1, -1}, {8, 8, 8});
  EXPECT_TRUE(TensorNear(grid.scale * (0 - grid.zero), Floats({-8, 8, 8}), 0, 0));
}

TEST(GridTest, ScaleIsCastFirstAndZeroComesFromTheCastScale) {
  // (1 + 2^-12) rounds to 1 in float16, so 200 steps below zero stay 200; with the exact scale
  // 200.5 / (1 + 2^-12) = 200.45 and 255 steps of it are what the range was.
  const float scale = 1.0F + std::ldexp(1.0F, -12);
  const float low = -200.52F;
  const float high = low + 255 * scale;
  const AffineGrid exact = Grid({low}, {high}, {8, 32, GridKind::kAsym, ScaleType::kFloat32});
  EXPECT_NEAR(exact.scale.item<double>(), static_cast<double>(scale), 1e-6);
  EXPECT_EQ(exact.zero.item<double>(), 200);
  const AffineGrid half = Grid({low}, {high}, {8, 32, GridKind::kAsym, ScaleType::kFloat16});
  EXPECT_EQ(half.scale.item<double>(), 1);
  EXPECT_EQ(half.zero.item<double>(), 201);
}

TEST(GridTest, ScalesAreNumbersOfTheirDtype) {
  const at::Tensor low = -at::arange(1, 200, at::kFloat) / 77;
  const at::Tensor high = at::arange(1, 200, at::kFloat) / 91;
  for (const auto& [kind, name] : GridNames()) {
    for (const auto& [dtype, type] : {std::pair{ScaleType::kFloat16, at::kHalf},
                                      std::pair{ScaleType::kBFloat16, at::kBFloat16}}) {
      SCOPED_TRACE(std::string(name) + " " + EnumName(dtype, ScaleTypeNames()));
      const at::Tensor exact = MakeGrid({low, high}, {4, 32, kind, ScaleType::kFloat32}).scale;
      const at::Tensor cast = MakeGrid({low, high}, {4, 32, kind, dtype}).scale;
      EXPECT_EQ(cast.scalar_type(), type);
      EXPECT_TRUE(at::equal(cast, exact.to(type)));
      EXPECT_FALSE(at::equal(cast.to(at::kFloat), exact));
    }
  }
}

TEST(GridTest, SmallestScales) {
  for (const auto& [kind, name] : GridNames()) {
    SCOPED_TRACE(name);
    // 1e-5 = 167.77 * 2^-24, and 168 has few enough bits for both.
    for (const auto& [dtype, smallest] :
         {std::pair{ScaleType::kFloat32, 1e-8},
          std::pair{ScaleType::kFloat16, 168 * std::ldexp(1.0, -24)},
          std::pair{ScaleType::kBFloat16, 168 * std::ldexp(1.0, -24)}}) {
      SCOPED_TRACE(EnumName(dtype, ScaleTypeNames()));
      const AffineGrid grid = Grid({-1e-12F, 0}, {0, 1e-12F}, {4, 32, kind, dtype});
      EXPECT_FLOAT_EQ(grid.scale.abs().max().item<float>(), static_cast<float>(smallest));
      EXPECT_FLOAT_EQ(grid.scale.abs().min().item<float>(), static_cast<float>(smallest));
    }
  }
}

TEST(GridTest, ZeroPointsStayOnTheGrid) {
  // A scale that is rounded down makes -low / scale more than Q: 255.5 for bfloat16, that is 256.
  for (const auto& [dtype, name] : ScaleTypeNames()) {
    SCOPED_TRACE(name);
    for (const std::int64_t bits : {2, 4, 8}) {
      const at::Tensor low = -at::arange(1, 2000, at::kFloat) / 77;
      const AffineGrid grid =
          MakeGrid({low, at::zeros_like(low)}, {bits, 32, GridKind::kAsym, dtype});
      EXPECT_EQ(grid.zero.max().item<double>(), std::exp2(bits) - 1);
    }
  }
}

TEST(GridTest, ScalesThatAreTooLargeAreToldWithTheirGroup) {
  const QuantSpec spec{4, 32, GridKind::kAsym, ScaleType::kFloat16};
  const GroupRange range{Floats({-1, -2e6F}), Floats({1, 0})};
  EXPECT_EQ(GridProblem(MakeGrid(range, spec), range, spec),
            "scale of group 1 is inf: the group's range of 2e+06 in 15 steps is above float16's "
            "largest value 65504 (quant.scale_dtype: float32 holds it)");
  QuantSpec wide = spec;
  wide.scale_dtype = ScaleType::kFloat32;
  EXPECT_EQ(GridProblem(MakeGrid(range, wide), range, wide), "");
}

TEST(GridTest, GradientsPassThroughTheRoundOfTheZeroPoint) {
  // scale = (h - l) / Q, zero = -l / scale: d scale = (dh - dl) / Q,
  // d zero = -dl / s + l / s^2 d scale.
  const at::Tensor low = Floats({-2.3F, -0.7F}).requires_grad_(true);
  const at::Tensor high = Floats({1.9F, 3.1F}).requires_grad_(true);
  const AffineGrid grid = MakeGrid({low, high}, {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  grid.zero.sum().backward();
  const at::Tensor l = low.detach();
  const at::Tensor s = grid.scale.detach();
  EXPECT_TRUE(TensorNear(low.grad(), -1 / s - l / s.square() / 15, 0, 1e-5));
  EXPECT_TRUE(TensorNear(high.grad(), l / s.square() / 15, 0, 1e-5));
}

TEST(GridTest, SymmetricGradientsReachTheLargerSide) {
  for (const auto& [kind, slope] :
       {std::pair{GridKind::kSym, 2.0F / 15}, std::pair{GridKind::kSymFull, 0.125F}}) {
    const bool full = kind == GridKind::kSymFull;
    SCOPED_TRACE(full);
    const at::Tensor low = Floats({-3, -1}).requires_grad_(true);
    const at::Tensor high = Floats({1, 3}).requires_grad_(true);
    const AffineGrid grid = MakeGrid({low, high}, {4, 32, kind, ScaleType::kFloat32});
    EXPECT_FALSE(grid.zero.requires_grad());
    grid.scale.sum().backward();
    EXPECT_TRUE(TensorNear(low.grad(), Floats({-slope, 0}), 0, 1e-6));
    EXPECT_TRUE(TensorNear(high.grad(), Floats({0, full ? -slope : slope}), 0, 1e-6));
  }
}

TEST(MinMaxRangeTest, HoldsZeroAndAZeroGroupGetsOne) {
  const at::Tensor groups =
      at::stack({Floats({1, 2, 3}), Floats({-3, -1, -2}), Floats({-1, 0, 4}), Floats({0, 0, 0})});
  const GroupRange range = MinMaxRange(groups);
  EXPECT_TRUE(TensorNear(range.low, Floats({0, -3, -1, -1}), 0, 0));
  EXPECT_TRUE(TensorNear(range.high, Floats({3, 0, 4, 1}), 0, 0));
  EXPECT_THROW(MinMaxRange(Floats({1, 2})), std::logic_error);
}

/// All that is wrong with a `quant` section, or "".
std::string SpecErrors(const std::string& yaml) {
  QuantSpec spec;
  std::vector<Diagnostic> diagnostics;
  ReadFields(ParseYaml(yaml, "a.yaml"), "quant", FieldsOf(&spec), &diagnostics);
  return diagnostics.empty() ? "" : ConfigError(diagnostics).what();
}

TEST(QuantSpecTest, RejectsWhatIsOutOfRange) {
  EXPECT_EQ(SpecErrors("bits: 4\ngroup_size: 0\n"), "");
  EXPECT_EQ(SpecErrors("bits: 1\n"), "a.yaml:1:7: quant.bits: 1 is out of range [2, 8]");
  EXPECT_EQ(SpecErrors("bits: 9\n"), "a.yaml:1:7: quant.bits: 9 is out of range [2, 8]");
  EXPECT_EQ(SpecErrors("bits: 4\ngroup_size: -2\n"),
            "a.yaml:2:13: quant.group_size: -2 is out of range [-1, inf)");
  EXPECT_EQ(SpecErrors("bits: 4\ngrid: asymm\n"),
            "a.yaml:2:7: quant.grid: unknown value 'asymm'; did you mean 'asym'? "
            "(known: asym, float_zero, power, sym, sym_full, sym_restricted)");
  EXPECT_EQ(SpecErrors("bits: 4\nscale_dtype: fp16\n"),
            "a.yaml:2:14: quant.scale_dtype: unknown value 'fp16' "
            "(known: bfloat16, float16, float32)");
  EXPECT_EQ(SpecErrors("bits: 4\ngptq_sym_quirk: true\n"),
            "a.yaml:2:17: quant: gptq_sym_quirk needs grid: sym, got 'asym'");
}

TEST(QuantSpecTest, CodeMaxIsTwoToTheBitsLessOne) {
  for (std::int64_t bits = 2; bits <= 8; ++bits) {
    EXPECT_EQ((QuantSpec{bits, 32, GridKind::kAsym, ScaleType::kFloat32}).CodeMax(),
              std::exp2(bits) - 1);
  }
}

}  // namespace
}  // namespace roundlab
