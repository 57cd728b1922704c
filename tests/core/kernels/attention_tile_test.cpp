#include "core/kernels/attention_tile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace roundlab {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(SoftmaxRowTest, WeightsAreExponentialsAndZeroOutsideAndFarBelow) {
  std::vector<float> x(3 * kTileColumns, kNaN);  // what is outside doesn't count
  const std::vector<float> scores = {3, -4, 40, -61, -59, 39.5F};
  const std::int64_t first = 37;
  std::copy(scores.begin(), scores.end(), x.begin() + first);
  const auto last = first + static_cast<std::int64_t>(scores.size());
  const float sum = SoftmaxRow(x.data(), first, last, static_cast<std::int64_t>(x.size()), 0.5F);
  double expected = 0;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()); ++i) {
    const double below =
        i < first || i >= last ? -1e9 : 0.5 * (scores[static_cast<std::size_t>(i - first)] - 40.0);
    const double e = below < -50 ? 0 : std::exp(below);
    EXPECT_NEAR(x[static_cast<std::size_t>(i)], e, 3e-7 * e) << i;
    expected += e;
  }
  EXPECT_NEAR(sum, expected, 3e-7 * expected);
}

TEST(SoftmaxRowTest, NaNIsNotTakenForFarBelow) {
  std::vector<float> x(kTileColumns, 0.0F);
  x[2] = kNaN;
  EXPECT_TRUE(std::isnan(SoftmaxRow(x.data(), 0, 5, kTileColumns, 1)));
}

}  // namespace
}  // namespace roundlab
