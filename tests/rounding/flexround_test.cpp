#include "rounding/schemes/flexround.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rounding/schemes/lrq.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::ForAllSpecs;
using testing::GroupNames;
using testing::MakeLayer;
using testing::ParameterOf;
using testing::RandomWeight;
using testing::TensorNear;

TEST(FlexRoundTest, FlexRoundAndLrqStartAtRoundToNearest) {
  ForAllSpecs([](const QuantSpec& spec, std::int64_t in) {
    const LayerContext context = MakeLayer(RandomWeight(8, in, 3), spec);
    const QuantizedWeight nearest = BeginLayer("type: rtn", context)->Finish();
    for (const char* recipe : {"type: flexround", "type: lrq"}) {
      // But for a rounding of s = exp(ln s), which decides ties: a sym grid's extremes lie on one.
      const QuantizedWeight start = BeginLayer(recipe, context)->Finish();
      ASSERT_TRUE(TensorNear(start.scale, nearest.scale, 0, 1e-6));
      ASSERT_TRUE(at::equal(start.zero, nearest.zero));
      const at::Tensor apart = (start.codes.to(at::kShort) - nearest.codes.to(at::kShort)).abs();
      ASSERT_LE(apart.max().item<std::int64_t>(), 1);
      ASSERT_LE(apart.sum().item<std::int64_t>(), nearest.scale.numel());
    }
  });
}

// Losses that are sums over tokens give gradients beyond float16's largest number.
TEST(LearnedScaleTest, AGradientMayBeLargerThanTheScalesTypeHolds) {
  for (const std::string recipe : {"type: flexround", "type: lrq", "type: omniquant",
                                   "type: omniquant\nown_range: false", "type: tesseraq"}) {
    SCOPED_TRACE(recipe);
    for (const GridKind grid : {GridKind::kAsym, GridKind::kSymFull}) {
      for (const auto type : {ScaleType::kFloat32, ScaleType::kFloat16, ScaleType::kBFloat16}) {
        LayerContext context = MakeLayer(RandomWeight(8, 64, 3), {4, 32, grid, type});
        const auto layer = BeginLayer(recipe, context);
        layer->Project(0);
        const at::Tensor soft = layer->SoftWeight();
        (soft.square().sum() * 1e9).backward();
        std::vector<at::Tensor> gradients;
        for (const ParameterGroup& group : layer->Parameters()) {
          for (const at::Tensor& t : group.tensors) gradients.push_back(t.grad());
        }
        double largest = 0;
        for (const at::Tensor& g : gradients) {
          if (!g.defined()) continue;
          EXPECT_TRUE(g.isfinite().all().item<bool>());
          largest = std::max(largest, g.abs().max().item<double>());
        }
        EXPECT_GT(largest, 65504);
        // What tuning runs with is what is stored.
        if (recipe != "type: tesseraq") {
          EXPECT_TRUE(testing::TensorNear(soft.detach(), layer->Finish().Dequantize(), 0, 0));
        }
      }
    }
  }
}

TEST(FlexRoundTest, OptionsChooseWhatIsTuned) {
  const LayerContext context =
      MakeLayer(RandomWeight(8, 64, 3), {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  EXPECT_EQ(GroupNames("type: flexround", context), "log_scale1 log_element1 log_row1 ");
  EXPECT_EQ(GroupNames("type: flexround\ntune_scale: false\ntune_row: false", context),
            "log_element1 ");
  EXPECT_EQ(GroupNames("type: lrq", context), "log_scale1 low_rank2 log_row1 log_column1 ");
  EXPECT_EQ(GroupNames("type: lrq\ntune_row: false\ntune_column: false", context),
            "log_scale1 low_rank2 ");
}

TEST(FlexRoundTest, CodesFollowTheFormula) {
  const at::Tensor weight = RandomWeight(8, 64, 3);
  const LayerContext context = MakeLayer(weight, {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto layer = BeginLayer("type: flexround", context);
  {
    const c10::NoGradGuard no_grad;
    ParameterOf(*layer, "log_scale").add_(0.125);
    ParameterOf(*layer, "log_element").select(1, 5).fill_(0.5);
    ParameterOf(*layer, "log_row").select(0, 2).fill_(-0.25);
  }
  const AffineGrid grid = MakeGrid(context.range, context.spec);
  at::Tensor exponent = at::zeros({8, 64});
  exponent.select(1, 5).add_(0.5);
  exponent.select(0, 2).add_(-0.25);
  const at::Tensor scale = (grid.scale * std::exp(0.125F)).reshape({8, 2});
  const at::Tensor wide = scale.repeat_interleave(32, 1);
  const at::Tensor zero = grid.zero.reshape({8, 2}).repeat_interleave(32, 1);
  const at::Tensor codes = ((weight / (wide * exponent.exp())).round() + zero).clamp(0, 15);
  const QuantizedWeight rounded = layer->Finish();
  EXPECT_TRUE(TensorNear(rounded.scale, scale, 0, 1e-6));
  EXPECT_LE((rounded.codes != codes.to(at::kByte)).sum().item<std::int64_t>(), 1);
}

TEST(FlexRoundTest, GradientOfAWeightsDivisorGrowsWithTheWeight) {
  // Straight through: d w^ / d D2 = -s1 w / (s1 S2 s3) = -w where nothing is clamped.
  const at::Tensor weight = RandomWeight(8, 64, 3);
  const auto layer = BeginLayer("type: flexround",
                                MakeLayer(weight, {8, 32, GridKind::kAsym, ScaleType::kFloat32}));
  layer->SoftWeight().sum().backward();
  EXPECT_TRUE(TensorNear(ParameterOf(*layer, "log_element").grad(), -weight, 1e-6, 1e-5));
}

TEST(LrqTest, PublishedRanksAndShapesThatFallBack) {
  EXPECT_EQ(Lrq::PublishedRank(4096, 4096), 1024);
  EXPECT_EQ(Lrq::PublishedRank(8192, 28672), 2048);
  EXPECT_EQ(Lrq::PublishedRank(5120, 13824), 1024);
  EXPECT_EQ(Lrq::PublishedRank(64, 128), 64);
  EXPECT_FALSE(Lrq::FallsBack(4096, 4096));
  EXPECT_TRUE(Lrq::FallsBack(11008, 4096));
  EXPECT_TRUE(Lrq::FallsBack(4096, 11008));
  EXPECT_TRUE(Lrq::FallsBack(8192, 8192));
  EXPECT_FALSE(Lrq::FallsBack(8192, 28672));
  const LayerContext wide =
      MakeLayer(at::ones({1, 4097}), {4, -1, GridKind::kAsym, ScaleType::kFloat32});
  EXPECT_EQ(GroupNames("type: lrq", wide), "log_scale1 log_element1 log_row1 ");
  EXPECT_EQ(GroupNames("type: lrq\nfull_rank_fallback: false", wide),
            "log_scale1 low_rank2 log_row1 log_column1 ");
  EXPECT_EQ(GroupNames("type: lrq\nrank: 2", wide), "log_scale1 low_rank2 log_row1 log_column1 ");
}

TEST(LrqTest, OneFactorIsDrawnFromTheSeedWithinKaimingsBound) {
  LayerContext context =
      MakeLayer(RandomWeight(8, 64, 3), {4, 32, GridKind::kAsym, ScaleType::kFloat32});
  const auto drawn = [&](std::uint64_t seed) {
    context.seed = seed;
    return BeginLayer("type: lrq\nrank: 4", context)->Parameters()[1].tensors[1].detach();
  };
  const at::Tensor u = drawn(1);
  EXPECT_EQ(u.sizes(), (at::IntArrayRef{4, 64}));
  EXPECT_LE(u.abs().max().item<double>(), 0.125);  // 1 / sqrt(64)
  EXPECT_GT(u.abs().max().item<double>(), 0.12);
  EXPECT_TRUE(at::equal(u, drawn(1)));
  EXPECT_FALSE(at::equal(u, drawn(2)));
}

}  // namespace
}  // namespace roundlab
