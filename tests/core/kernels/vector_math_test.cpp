#include "core/kernels/vector_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace roundlab {
namespace {

/// |actual - exact| in units of the last place of the float nearest to `exact`.
double Ulps(float actual, double exact) {
  const float nearest = static_cast<float>(exact);
  const double unit = static_cast<double>(
      std::nextafter(nearest, std::numeric_limits<float>::infinity()) - nearest);
  return std::fabs(static_cast<double>(actual) - exact) / unit;
}

TEST(FastExpTest, WithinThreeUnitsInTheLastPlace) {
  double worst = 0;
  constexpr int kPoints = 1'750'000;
  for (int i = 0; i <= kPoints; ++i) {
    const float x = -87.0F + 175.0F * static_cast<float>(i) / static_cast<float>(kPoints);
    worst = std::max(worst, Ulps(FastExp(x), std::exp(static_cast<double>(x))));
  }
  // Around 0 floats lie denser than the points above.
  for (float x = 1e-30F; x < 1; x *= 1.01F) {
    worst = std::max(worst, Ulps(FastExp(x), std::exp(static_cast<double>(x))));
    worst = std::max(worst, Ulps(FastExp(-x), std::exp(static_cast<double>(-x))));
  }
  EXPECT_LE(worst, 3);
}

TEST(FastExpTest, EndsAreHeldAndZeroIsOne) {
  EXPECT_EQ(FastExp(0.0F), 1.0F);
  EXPECT_EQ(FastExp(-1000.0F), FastExp(-87.0F));
  EXPECT_EQ(FastExp(1000.0F), FastExp(88.0F));
  EXPECT_EQ(FastExp(-std::numeric_limits<float>::infinity()), FastExp(-87.0F));
  EXPECT_EQ(FastExp(std::numeric_limits<float>::infinity()), FastExp(88.0F));
  EXPECT_TRUE(std::isfinite(FastExp(88.0F)));
  EXPECT_GT(FastExp(-87.0F), std::numeric_limits<float>::min());
}

TEST(FastExpTest, NotANumberStaysOne) {
  EXPECT_TRUE(std::isnan(FastExp(std::numeric_limits<float>::quiet_NaN())));
}

TEST(FastLogTest, WithinFourUnitsInTheLastPlaceOrOfOne) {
  double worst = 0;
  // Near 1, where the logarithm is 0, an absolute 1e-7 (half the distance of floats there).
  for (float x = 1.2e-38F; x < 3e38F; x *= 1.0003F) {
    const double exact = std::log(static_cast<double>(x));
    const double error = std::fabs(static_cast<double>(FastLog(x)) - exact);
    worst = std::max(worst, std::min(Ulps(FastLog(x), exact), error / 3e-8));
  }
  EXPECT_LE(worst, 4);
  EXPECT_EQ(FastLog(1.0F), 0.0F);
  EXPECT_NEAR(FastLog(0.0F), -88.03, 0.01);
}

TEST(FastSigmoidTest, NearTheExactOneAndSymmetric) {
  for (float x = -80; x <= 80; x += 0.0137F) {
    const double exact = 1 / (1 + std::exp(-static_cast<double>(x)));
    ASSERT_NEAR(static_cast<double>(FastSigmoid(x)), exact, 5e-7 * exact) << x;
  }
  EXPECT_EQ(FastSigmoid(0.0F), 0.5F);
}

}  // namespace
}  // namespace roundlab
