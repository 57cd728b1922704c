#include "rounding/ranges/scale_search.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/rounding/scheme_cases.h"
#include "tests/support/tensor_matchers.h"

namespace roundlab {
namespace {

using testing::RandomWeight;
using testing::TensorNear;

/// Codes clamp(round(w / (s exp(D))) + z, 0, 15) with a divisor of row, column and element.

/// The least error over all candidates, in float64.

double LeastSearchError(const at::Tensor& group, std::int64_t bits, const at::Tensor& importance) {
  const at::Tensor w = group.to(at::kDouble);
  const double n = std::pow(2, bits - 1);
  const double extreme = w[w.abs().argmax()].item<double>();
  const double step = bits == 2 ? 0.01 : 0.0075 * n;
  double least = INFINITY;
  for (int i = bits == 2 ? -90 : -100; i <= (bits == 2 ? 90 : 100); ++i) {
    const double scale = -extreme / (n - step * i);
    const at::Tensor error = (w / scale).round().clamp(-n, n - 1) * scale - w;
    least = std::min(least, (error.square() * importance).sum().item<double>());
  }
  return least;
}

TEST(ScaleSearchTest, FindsTheLeastWeightedError) {
  const at::Tensor groups = RandomWeight(8, 48, 3);
  const at::Tensor importance = RandomWeight(8, 48, 4).abs();
  for (const std::int64_t bits : {2, 3, 4, 8}) {
    for (const bool weighted : {false, true}) {
      const at::Tensor weights = weighted ? importance : at::ones_like(groups);
      const at::Tensor scale = SearchScale(groups, bits, weighted ? importance : at::Tensor());
      const double n = std::pow(2, bits - 1);
      for (std::int64_t g = 0; g < 8; ++g) {
        const double s = scale[g].item<double>();
        const at::Tensor w = groups[g].to(at::kDouble);
        const at::Tensor error = (w / s).round().clamp(-n, n - 1) * s - w;
        const double least = LeastSearchError(groups[g], bits, weights[g]);
        EXPECT_LE((error.square() * weights[g]).sum().item<double>(), least * (1 + 1e-4))
            << "bits " << bits << " group " << g;
      }
    }
  }
}

TEST(ScaleSearchTest, ZerosGetTheLeastScaleAndRangesKeepScales) {
  EXPECT_EQ(SearchScale(at::zeros({1, 4}), 4, {}).item<float>(), 1e-5F);
  const at::Tensor scale = at::tensor({0.03F, -0.7F, 1e-5F});
  const AffineGrid grid =
      MakeGrid(RangeOfScale(scale, 3), {3, -1, GridKind::kSymFull, ScaleType::kFloat32});
  EXPECT_TRUE(TensorNear(grid.scale, scale, 0, 0));
}

TEST(ScaleSearchTest, ImportanceIsSpreadOverGroupsAndItsZerosFilled) {
  const GroupLayout layout = GroupLayout::For(2, 5, 3);
  const at::Tensor columns = at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F});
  EXPECT_TRUE(TensorNear(
      SpreadImportance(columns, layout),
      at::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 1e-5F}).view({2, 3}).repeat({2, 1}), 0, 0));
  const at::Tensor importance = at::tensor({1.0F, 0.0F, 2.0F, 3.0F, 0.0F, 0.0F, 0.0F, 9.0F});
  const at::Tensor groups = at::tensor({1.0F, 1.0F, 1.0F, 1.0F, 4.0F, -4.0F, 0.0F, 0.0F});
  // One of four zeros: the mean of the rest. Three of four: |w|, and at 4 bits + sqrt(32 / 32).
  const auto filled = [&](std::int64_t bits) {
    return FillImportance(importance.view({2, 4}), groups.view({2, 4}), bits).flatten();
  };
  EXPECT_TRUE(
      TensorNear(filled(2), at::tensor({1.0F, 2.0F, 2.0F, 3.0F, 4.0F, 4.0F, 0.0F, 0.0F}), 0, 1e-6));
  EXPECT_TRUE(
      TensorNear(filled(4), at::tensor({1.0F, 2.0F, 2.0F, 3.0F, 5.0F, 5.0F, 1.0F, 1.0F}), 0, 1e-6));
}

}  // namespace
}  // namespace roundlab
