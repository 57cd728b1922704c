#include "core/kernels/fake_quant.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace roundlab {
namespace {

TEST(FakeQuantBackwardTest, SumsOfAWholeTensorAreExact) {
  // All gradients alike and inside the grid: float32 would stop growing at 2^24 of them, or drift.
  constexpr std::int64_t kWidth = 5'000'003;
  const std::vector<float> weight(kWidth, 0.3F);
  const std::vector<float> dy(kWidth, 0.1F);
  const float scale = 0.1F;
  const float zero = 4;
  std::vector<float> offset(kWidth);
  float factor = 0;
  float divisor = 0;
  float outside = 0;
  FakeQuantBackward({weight.data(), nullptr, &scale, &zero, 15, 1, kWidth}, dy.data(),
                    {offset.data(), &factor, &divisor, &outside});
  const double all = static_cast<double>(dy[0]) * static_cast<double>(kWidth);
  EXPECT_NEAR(static_cast<double>(factor) / (3 * all), 1, 1e-5);
  EXPECT_NEAR(static_cast<double>(divisor) / (-3 * all), 1, 1e-5);
  EXPECT_EQ(outside, 0);
  EXPECT_FLOAT_EQ(offset.back(), 0.01F);
}

TEST(AdaRoundPenaltyTest, NeedsNoGradient) {
  const std::vector<float> v = {-1, 0, 0.5F, 3};
  std::vector<float> gradient(v.size());
  const double with = AdaRoundPenalty(v.data(), 4, 2, 1, gradient.data());
  EXPECT_EQ(AdaRoundPenalty(v.data(), 4, 2, 1, nullptr), with);
  EXPECT_GT(with, 1);  // V = 0 alone counts 1
}

}  // namespace
}  // namespace roundlab
