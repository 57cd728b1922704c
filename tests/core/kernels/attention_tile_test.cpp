#include "core/kernels/attention_tile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace roundlab {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> Numbers(std::int64_t count, int seed) {
  std::vector<float> all(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = std::sin(static_cast<float>(i * 7 + static_cast<std::size_t>(seed)));
  }
  return all;
}

TEST(MultiplyTileTest, EachWayOfThisMachineMultiplies) {
  constexpr std::int64_t kWide = kTileColumns + 5;
  for (const std::int64_t depth : {0, 1, 7, 64}) {
    const std::vector<float> a = Numbers(kTileRows * depth, 1);
    const std::vector<float> b = Numbers(std::max<std::int64_t>(depth, 1) * kWide, 2);
    for (const bool across : {false, true}) {  // a by rows, or transposed
      for (const bool add : {false, true}) {
        for (const MultiplyTiles multiply : TileMultipliers()) {
          std::vector<float> c = Numbers(kTileRows * kWide, 3);
          const std::vector<float> before = c;
          TileProduct t{a.data(),
                        across ? 1 : depth,
                        across ? kTileRows : 1,
                        b.data(),
                        kWide,
                        depth,
                        c.data(),
                        kWide,
                        add};
          multiply(t);
          for (std::int64_t i = 0; i < kTileRows * kWide; ++i) {
            const std::int64_t row = i / kWide;
            const std::int64_t column = i % kWide;
            double wanted = before[static_cast<std::size_t>(i)];
            if (column < kTileColumns) {
              if (!add) wanted = 0;
              for (std::int64_t k = 0; k < depth; ++k) {
                wanted += static_cast<double>(t.a[row * t.a_row + k * t.a_step]) *
                          static_cast<double>(t.b[k * kWide + column]);
              }
            }
            EXPECT_NEAR(c[static_cast<std::size_t>(i)], wanted, 1e-5) << row << " " << column;
          }
        }
      }
    }
  }
}

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
