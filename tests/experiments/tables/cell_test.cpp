#include "experiments/tables/cell.h"

#include <gtest/gtest.h>

namespace roundlab {
namespace {

TEST(FormatMeanTest, DigitsFollowTheHalfWidth) {
  // Student's t for two values: half width 12.706 |a - b| / 2.
  EXPECT_EQ(FormatMean({38.757}), "38.757");
  EXPECT_EQ(FormatMean({2.30470, 2.30480}), "2.30475 ± 0.00064 (n=2)");
  EXPECT_EQ(FormatMean({2.3047, 2.3057}), "2.3052 ± 0.0064 (n=2)");
  EXPECT_EQ(FormatMean({38, 39}), "38.5 ± 6.4 (n=2)");
  EXPECT_EQ(FormatMean({300, 400}), "350 ± 635 (n=2)");
}

TEST(FormatMeanTest, AHalfWidthThatRoundsUpKeepsTwoDigits) {
  EXPECT_EQ(FormatMean({1, 1 + 2 * 0.0999 / 12.7062}), "1.01 ± 0.10 (n=2)");
}

TEST(FormatMeanTest, EqualValuesHaveNoWidth) {
  EXPECT_EQ(FormatMean({2.5, 2.5, 2.5}), "2.5000 ± 0.0000 (n=3)");
}

}  // namespace
}  // namespace roundlab
