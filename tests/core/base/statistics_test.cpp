#include "core/base/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace roundlab {
namespace {

TEST(StatisticsTest, KnownSample) {
  const std::vector<double> values = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_DOUBLE_EQ(Mean(values), 5.0);
  EXPECT_DOUBLE_EQ(StandardDeviation(values), std::sqrt(32.0 / 7.0));
  EXPECT_DOUBLE_EQ(StandardError(values), std::sqrt(32.0 / 7.0 / 8.0));
}

// 0.975 quantiles of Student's t: one degree of freedom is tan(0.475 pi), two is
// 0.95 sqrt(2 / (1 - 0.95^2)); seven is from tables.
TEST(StatisticsTest, HalfWidthIsStudentsT) {
  const double pi = std::acos(-1.0);
  EXPECT_NEAR(ConfidenceHalfWidth95(std::vector<double>{0, 2}), std::tan(0.475 * pi), 1e-11);
  EXPECT_NEAR(ConfidenceHalfWidth95(std::vector<double>{-3, 0, 3}),
              std::sqrt(3.0) * 0.95 * std::sqrt(2.0 / (1 - 0.95 * 0.95)), 1e-11);
  const std::vector<double> values = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_NEAR(ConfidenceHalfWidth95(values), 2.364624251592785 * StandardError(values), 1e-11);
}

TEST(StatisticsTest, EqualValuesHaveNoSpread) {
  const std::vector<double> values(5, 0.25);
  EXPECT_EQ(StandardDeviation(values), 0);
  for (const double value : {0.1, 0.16 - 0.92}) {  // whose mean is another number
    EXPECT_EQ(StandardDeviation(std::vector<double>(3, value)), 0);
  }
  EXPECT_EQ(ConfidenceHalfWidth95(values), 0);
}

TEST(StatisticsTest, LargeOffsetKeepsTheSpread) {
  EXPECT_DOUBLE_EQ(StandardDeviation(std::vector<double>{1e9 - 1, 1e9, 1e9 + 1}), 1.0);
}

// With equal weights the mean of x / w; else the spread of x - ratio w, here 1, -2, 1 around 3.
TEST(StatisticsTest, ErrorOfARatioIsThatOfItsLinearization) {
  const std::vector<double> x = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_DOUBLE_EQ(RatioStandardError(x, std::vector<double>(8, 1.0)), StandardError(x));
  EXPECT_DOUBLE_EQ(RatioStandardError(x, std::vector<double>(8, 4.0)), StandardError(x) / 4);
  EXPECT_DOUBLE_EQ(RatioStandardError(std::vector<double>{4, 4, 10}, std::vector<double>{1, 2, 3}),
                   std::sqrt(1.5 * 6) / 6);
  EXPECT_TRUE(std::isnan(RatioStandardError(std::vector<double>{1}, std::vector<double>{1})));
}

TEST(StatisticsTest, TooFewValuesGiveNaN) {
  const std::vector<double> none;
  const std::vector<double> one = {3};
  EXPECT_TRUE(std::isnan(Mean(none)));
  EXPECT_EQ(Mean(one), 3);
  for (const auto& values : {none, one}) {
    EXPECT_TRUE(std::isnan(StandardDeviation(values)));
    EXPECT_TRUE(std::isnan(StandardError(values)));
    EXPECT_TRUE(std::isnan(ConfidenceHalfWidth95(values)));
  }
}

TEST(StatisticsTest, NotFiniteGivesNaNHalfWidth) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(std::isnan(ConfidenceHalfWidth95(std::vector<double>{1, 2, std::nan("")})));
  EXPECT_TRUE(std::isnan(ConfidenceHalfWidth95(std::vector<double>{1, 2, infinity})));
}

}  // namespace
}  // namespace roundlab
