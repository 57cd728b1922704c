#include "core/kernels/tile_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace roundlab {
namespace {

constexpr std::int64_t kWide = kTileColumns + 5;

std::vector<float> Numbers(std::int64_t count, int seed) {
  std::vector<float> all(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = std::sin(static_cast<float>(i * 7 + static_cast<std::size_t>(seed)));
  }
  return all;
}

/// What a number of c is to be after the product, `before` what it was.
double Wanted(const TileProduct& t, std::int64_t row, std::int64_t column, float before) {
  if (column >= kTileColumns) return before;  // beyond the tile
  double sum = t.add ? before : 0;
  for (std::int64_t k = 0; k < t.depth; ++k) {
    sum += static_cast<double>(t.a[row * t.a_row + k * t.a_step]) *
           static_cast<double>(t.b[k * t.ldb + column]);
  }
  return sum;
}

void ExpectAllWays(TileProduct t) {
  for (const MultiplyTiles multiply : TileMultipliers()) {
    const std::vector<float> before = Numbers(kTileRows * kWide, 3);
    std::vector<float> c = before;
    t.c = c.data();
    multiply(t);
    for (std::size_t i = 0; i < c.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) / kWide;
      const auto column = static_cast<std::int64_t>(i) % kWide;
      EXPECT_NEAR(c[i], Wanted(t, row, column, before[i]), 1e-5) << row << " " << column;
    }
  }
}

TEST(TileProductTest, EachWayOfThisMachineMultiplies) {
  for (const std::int64_t depth : {0, 1, 7, 64}) {
    const std::vector<float> a = Numbers(kTileRows * depth, 1);
    const std::vector<float> b = Numbers((depth + 1) * kWide, 2);
    for (const bool add : {false, true}) {
      ExpectAllWays({a.data(), depth, 1, b.data(), kWide, depth, nullptr, kWide, add});
      ExpectAllWays({a.data(), 1, kTileRows, b.data(), kWide, depth, nullptr, kWide, add});
    }
  }
}

}  // namespace
}  // namespace roundlab
