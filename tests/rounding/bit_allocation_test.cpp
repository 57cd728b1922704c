#include "rounding/bit_allocation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace roundlab {
namespace {

using LayerOptions = std::vector<std::vector<BitOption>>;

/// Least loss over all combinations of options, infinity where none fits.
double LeastByBruteForce(const LayerOptions& layers, std::int64_t budget, std::size_t layer = 0) {
  if (budget < 0) return INFINITY;
  if (layer == layers.size()) return 0;
  double least = INFINITY;
  for (const BitOption& option : layers[layer]) {
    least =
        std::min(least, option.loss + LeastByBruteForce(layers, budget - option.bits, layer + 1));
  }
  return least;
}

TEST(BitAllocationTest, AsGoodAsBruteForce) {
  std::mt19937 engine(5);
  for (int trial = 0; trial < 50; ++trial) {
    LayerOptions layers(6);
    for (auto& options : layers) {
      for (int o = 0; o < 3; ++o) {
        options.push_back(
            {static_cast<std::int64_t>(engine() % 20 + 1), static_cast<double>(engine() % 16) / 4});
      }
    }
    for (const std::int64_t budget : {6, 20, 45, 60, 200}) {
      const auto best = AllocateBits(layers, budget);
      const double least = LeastByBruteForce(layers, budget);
      ASSERT_EQ(best.has_value(), std::isfinite(least));
      if (!best.has_value()) continue;
      EXPECT_EQ(best->loss, least);
      std::int64_t bits = 0;
      double loss = 0;
      for (std::size_t i = 0; i < layers.size(); ++i) {
        bits += layers[i][best->choice[i]].bits;
        loss += layers[i][best->choice[i]].loss;
      }
      EXPECT_LE(bits, budget);
      EXPECT_EQ(loss, best->loss);
    }
  }
}

TEST(BitAllocationTest, ThinnedStatesStillFit) {
  const LayerOptions layers(8, {{2, 8.0}, {3, 5.0}, {4, 3.0}, {8, 1.0}});
  const double exact = AllocateBits(layers, 30)->loss;
  for (const std::size_t states : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
    const auto best = AllocateBits(layers, 30, states);
    if (!best.has_value()) continue;
    EXPECT_GE(best->loss, exact);
  }
  EXPECT_EQ(AllocateBits(layers, 30, 1000)->loss, exact);
  EXPECT_FALSE(AllocateBits(layers, 15).has_value());
}

TEST(BitAllocationTest, GridBitsCountScalesAndZeroPoints) {
  EXPECT_EQ(GridBits(8, 64, {4, 32, GridKind::kSymFull, ScaleType::kFloat16}),
            8 * 64 * 4 + 16 * 16);
  EXPECT_EQ(GridBits(8, 100, {2, 24, GridKind::kAsym, ScaleType::kFloat16}),
            8 * 100 * 2 + 40 * (16 + 2));
  EXPECT_EQ(GridBits(8, 64, {8, -1, GridKind::kAsym, ScaleType::kFloat32}),
            8 * 64 * 8 + 8 * (32 + 8));
}

}  // namespace
}  // namespace roundlab
