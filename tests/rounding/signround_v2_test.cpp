#include "rounding/schemes/signround_v2.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <utility>

#include "rounding/range.h"
#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::BeginLayer;
using testing::MakeLayer;
using testing::ParameterOf;
using testing::RandomWeight;
using testing::SameWeights;

TEST(SignRoundV2Test, StartsAtTheSearchedScaleAndOtherGridsAsSignRound) {
  for (const GridKind grid : {GridKind::kAsym, GridKind::kSym, GridKind::kSymFull}) {
    const LayerContext context =
        MakeLayer(RandomWeight(8, 64, 3), {3, 32, grid, ScaleType::kFloat16});
    const QuantizedWeight start = BeginLayer("type: signround_v2", context)->Finish();
    LayerContext searched = context;
    if (context.spec.grid == GridKind::kSymFull) {
      searched.range = RangeEstimators().FromText("type: scale_search").make()->Estimate(context);
    }
    EXPECT_TRUE(SameWeights(start, BeginLayer("type: rtn", searched)->Finish()))
        << EnumName(grid, GridNames());
  }
}

TEST(SignRoundV2Test, TheFactorStaysBetweenZeroAndTwo) {
  const auto layer = BeginLayer(
      "type: signround_v2",
      MakeLayer(RandomWeight(8, 64, 3), {3, 32, GridKind::kSymFull, ScaleType::kFloat32}));
  const at::Tensor factor = ParameterOf(*layer, "scale");
  for (const auto& [moved, kept] : {std::pair{2.5, 2.0}, std::pair{-0.5, 0.0}}) {
    {
      const c10::NoGradGuard no_grad;
      factor.fill_(moved);
    }
    layer->Project(0.5);
    EXPECT_EQ(factor.min().item<double>(), kept);
    EXPECT_EQ(factor.max().item<double>(), kept);
  }
}

}  // namespace
}  // namespace roundlab
