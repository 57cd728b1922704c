#include "core/base/real_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace roundlab {
namespace {

TEST(RealTextTest, IsTheShortestThatReadsBack) {
  EXPECT_EQ(RealText(6), "6");
  EXPECT_EQ(RealText(-0.1), "-0.1");
  EXPECT_EQ(RealText(4e-7), "4e-07");
  for (const double value : {1.0 / 3, 5.12345678901234, 1e300, std::numeric_limits<double>::min(),
                             std::numeric_limits<double>::max()}) {
    EXPECT_EQ(std::stod(RealText(value)), value);
  }
}

}  // namespace
}  // namespace roundlab
