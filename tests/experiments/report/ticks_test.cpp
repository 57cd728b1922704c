#include "experiments/report/ticks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <string>

namespace roundlab {
namespace {

std::string Labels(const std::vector<Tick>& ticks) {
  std::string text;
  for (const Tick& tick : ticks) text += (text.empty() ? "" : " ") + tick.label;
  return text;
}

TEST(TicksTest, LinearOnesAreNiceAndTellApart) {
  EXPECT_EQ(Labels(LinearTicks(0, 10, 6)), "0 2 4 6 8 10");
  EXPECT_EQ(Labels(LinearTicks(0, 1, 6)), "0 0.2 0.4 0.6 0.8 1.0");
  EXPECT_EQ(Labels(LinearTicks(-0.3, 0.3, 4)), "-0.2 0 0.2");
  EXPECT_EQ(Labels(LinearTicks(37.44, 40.1, 7)), "37.5 38.0 38.5 39.0 39.5 40.0");
  EXPECT_EQ(Labels(LinearTicks(4.1e-6, 5.6e-6, 4)), "4.5e-6 5e-6 5.5e-6");
  EXPECT_EQ(Labels(LinearTicks(0, 4e7, 5)), "0 1e7 2e7 3e7 4e7");
  EXPECT_EQ(Labels(LinearTicks(1000, 5000, 5)), "1000 2000 3000 4000 5000");
}

TEST(TicksTest, LogarithmicOnesThinOutFromNiceStepsToDecades) {
  EXPECT_EQ(Labels(LogTicks(1, 100, 7)), "1 2 5 10 20 50 100");
  EXPECT_EQ(Labels(LogTicks(1, 1000, 7)), "1 10 100 1000");
  EXPECT_EQ(Labels(LogTicks(1e-9, 1e3, 7)), "1e-8 1e-6 0.0001 0.01 1 100");
  EXPECT_EQ(Labels(LogTicks(30, 45, 4)), "30 35 40 45");  // too short for two nice ones
}

/// On any range: within it, ascending, at most as many, never none, and labels that differ.
TEST(TicksTest, HoldOnAnyRange) {
  for (int low_power = -12; low_power <= 9; ++low_power) {
    for (const double factor : {1.0001, 1.3, 7.0, 99.0, 1e6, 1e14}) {
      for (const int most : {2, 5, 7}) {
        const double low = 3.7 * std::pow(10.0, low_power);
        const double high = low * factor;
        for (const bool log : {false, true}) {
          const auto ticks = log ? LogTicks(low, high, most) : LinearTicks(low, high, most);
          const std::string where = std::to_string(low_power) + " " + std::to_string(factor) + " " +
                                    std::to_string(most) + (log ? " log" : "");
          ASSERT_GE(ticks.size(), log && factor > 1e5 ? 2U : 1U) << where;
          ASSERT_LE(ticks.size(), static_cast<std::size_t>(most)) << where;
          for (std::size_t i = 0; i < ticks.size(); ++i) {
            EXPECT_GE(ticks[i].value, low - 1e-8 * (high - low)) << where;
            EXPECT_LE(ticks[i].value, high + 1e-8 * (high - low)) << where;
            EXPECT_NEAR(std::stod(ticks[i].label), ticks[i].value, 1e-9 * high) << where;
            if (i == 0) continue;
            EXPECT_GT(ticks[i].value, ticks[i - 1].value) << where;
            EXPECT_NE(ticks[i].label, ticks[i - 1].label) << where;
          }
        }
      }
    }
  }
}

TEST(TicksTest, ARangeThatIsNoneIsAProgrammersError) {
  EXPECT_THROW(LinearTicks(1, 1, 5), std::logic_error);
  EXPECT_THROW(LinearTicks(0, std::nan(""), 5), std::logic_error);
  EXPECT_THROW(LogTicks(0, 1, 5), std::logic_error);
}

TEST(TicksTest, ShortNumbersKeepTheDigitsAskedFor) {
  EXPECT_EQ(ShortNumber(38.7569, 4), "38.76");
  EXPECT_EQ(ShortNumber(1234.5, 3), "1234");
  EXPECT_EQ(ShortNumber(0.00012345, 3), "0.000123");
  EXPECT_EQ(ShortNumber(1.25e-7, 4), "1.25e-7");
  EXPECT_EQ(ShortNumber(-2, 3), "-2.00");
  EXPECT_EQ(ShortNumber(0, 3), "0");
  EXPECT_EQ(ShortNumber(std::nan(""), 3), "-");
}

}  // namespace
}  // namespace roundlab
