#include "optimizers/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using ::testing::ElementsAre;

std::vector<double> Factors(const std::string& recipe, std::int64_t steps) {
  const auto schedule = Schedules().FromText(recipe).make();
  std::vector<double> factors;
  for (std::int64_t step = 0; step < steps; ++step) {
    factors.push_back(schedule->Factor(step, steps));
  }
  return factors;
}

std::string ScheduleError(const std::string& recipe) {
  return testing::ErrorOf([&] { Schedules().FromText(recipe); });
}

TEST(ScheduleTest, NamesAreSorted) {
  EXPECT_THAT(Schedules().Names(), ElementsAre("constant", "cosine", "linear"));
}

TEST(ScheduleTest, ClosedForms) {
  EXPECT_THAT(Factors("type: constant", 3), ElementsAre(1, 1, 1));
  EXPECT_THAT(Factors("type: linear", 4), ElementsAre(1, 0.75, 0.5, 0.25));
  EXPECT_THAT(Factors("{type: linear, end_factor: 0.5}", 4), ElementsAre(1, 0.875, 0.75, 0.625));
  const auto cosine = Schedules().FromText("{type: cosine, end_factor: 0.5}").make();
  EXPECT_DOUBLE_EQ(cosine->Factor(0, 4), 1);
  EXPECT_DOUBLE_EQ(cosine->Factor(1, 4), 0.75 + std::sqrt(2.0) / 8);
  EXPECT_DOUBLE_EQ(cosine->Factor(2, 4), 0.75);
  EXPECT_DOUBLE_EQ(cosine->Factor(4, 4), 0.5);
}

TEST(ScheduleTest, EveryScheduleStartsAtOneAndEndsAtItsEnd) {
  for (const std::string& name : Schedules().Names()) {
    SCOPED_TRACE(name);
    const auto schedule = Schedules().FromText("type: " + name).make();
    for (const std::int64_t steps : {1, 2, 200}) {
      EXPECT_EQ(schedule->Factor(0, steps), 1);
      EXPECT_NEAR(schedule->Factor(steps, steps), name == "constant" ? 1 : 0, 1e-15);
    }
    EXPECT_THROW(schedule->Factor(-1, 5), std::logic_error);
    EXPECT_THROW(schedule->Factor(6, 5), std::logic_error);
    EXPECT_THROW(schedule->Factor(0, 0), std::logic_error);
  }
}

// The bound on SignRound's V: with lr = 1 / T the sum of all steps is (1 + 1 / T) / 2.
TEST(ScheduleTest, LinearSumsToHalf) {
  double sum = 0;
  for (const double factor : Factors("type: linear", 200)) sum += factor / 200;
  EXPECT_NEAR(sum, 0.5025, 1e-12);
}

TEST(ScheduleTest, WarmupRisesThenTheScheduleRunsOverTheRest) {
  EXPECT_THAT(Factors("{type: constant, warmup: 4}", 6), ElementsAre(0.25, 0.5, 0.75, 1, 1, 1));
  EXPECT_THAT(Factors("{type: linear, warmup: 2}", 6), ElementsAre(0.5, 1, 1, 0.75, 0.5, 0.25));
  const auto whole = Factors("type: cosine", 7);
  const auto late = Factors("{type: cosine, warmup: 3}", 10);
  EXPECT_EQ(std::vector<double>(late.begin() + 3, late.end()), whole);
  EXPECT_EQ(late[0], 1.0 / 3);
}

TEST(ScheduleTest, WarmupIsAShareOrANumberOfSteps) {
  for (const std::string& name : Schedules().Names()) {
    SCOPED_TRACE(name);
    const auto with = [&name](const std::string& warmup) {
      return Factors("{type: " + name + ", warmup: " + warmup + "}", 20);
    };
    EXPECT_EQ(with("0.25"), with("5"));
    EXPECT_EQ(with("0.12"), with("2")) << "2.4 steps";
    EXPECT_EQ(with("0.125"), with("3")) << "2.5 steps";
    EXPECT_EQ(with("0.02"), with("0"));
    EXPECT_EQ(with("0.99"), with("20")) << "19.8 steps";
    EXPECT_EQ(with("1")[0], 1) << "one step, not all of them";
    EXPECT_EQ(with("20").back(), 1);
  }
}

TEST(ScheduleTest, WarmupLongerThanTheStepsIsAnError) {
  const auto schedule = Schedules().FromText("{type: linear, warmup: 300}").make();
  EXPECT_EQ(schedule->Factor(300, 300), 1);
  try {
    schedule->Factor(0, 200);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "warmup 300 is longer than the 200 steps");
  }
}

TEST(ScheduleTest, BadOptionsAreReported) {
  EXPECT_EQ(ScheduleError("{type: linear, warmup: 2.5}"),
            "builtin:1:24: schedule: warmup 2.5 must be below 1 (a share of the steps) or a whole "
            "number of them");
  EXPECT_EQ(ScheduleError("{type: linear, warmup: -1}"),
            "builtin:1:24: schedule.warmup: -1 is out of range [0, inf)");
  EXPECT_EQ(ScheduleError("{type: cosine, end_factor: 2}"),
            "builtin:1:28: schedule.end_factor: 2 is out of range [0, 1]");
  EXPECT_EQ(ScheduleError("{type: constant, end_factor: 1}"),
            "builtin:1:18: unknown key 'schedule.end_factor' (known: type, warmup)");
  EXPECT_EQ(ScheduleError("type: cosin"),
            "builtin:1:7: schedule.type: unknown schedule 'cosin'; did you mean 'cosine'? "
            "(known: constant, cosine, linear)");
}

TEST(ScheduleTest, CanonicalText) {
  EXPECT_EQ(Schedules().FromText("{type: linear, warmup: 3, end_factor: 0}").canonical,
            "type: linear\nwarmup: 3\n");
}

}  // namespace
}  // namespace roundlab
