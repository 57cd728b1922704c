#include "core/base/paired.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/base/statistics.h"

namespace roundlab {
namespace {

using Values = std::vector<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Exchanging the samples turns the sign of the difference and exchanges the ends.
void ExpectMirrored(const PairedResult& one, const PairedResult& other) {
  EXPECT_DOUBLE_EQ(one.difference, -other.difference);
  EXPECT_DOUBLE_EQ(one.low, -other.high);
  EXPECT_DOUBLE_EQ(one.high, -other.low);
  EXPECT_DOUBLE_EQ(one.p, other.p);
}

void ExpectAllNaN(const PairedResult& result) {
  EXPECT_TRUE(std::isnan(result.difference));
  EXPECT_TRUE(std::isnan(result.low));
  EXPECT_TRUE(std::isnan(result.high));
  EXPECT_TRUE(std::isnan(result.p));
}

// SciPy 1.17.1: ttest_rel(b, a), its confidence_interval() and pvalue.
TEST(PairedTTest, IsSciPys) {
  const Values a = {3.1, 2.7, 3.9, 4.4, 2.2, 3.3, 3.0, 2.9};
  const Values b = {2.9, 2.8, 3.6, 4.1, 2.3, 3.0, 2.6, 2.95};
  const PairedResult result = PairedT(a, b);
  EXPECT_NEAR(result.difference, -0.15625, 1e-14);
  EXPECT_NEAR(result.low, -0.32850958444642403, 1e-12);
  EXPECT_NEAR(result.high, 0.016009584446423808, 1e-12);
  EXPECT_NEAR(result.p, 0.06913646370047513, 1e-12);
  ExpectMirrored(PairedT(b, a), result);
}

// With one degree of freedom Student's t is Cauchy's: p = 1 - 2 atan(t) / pi.
TEST(PairedTTest, OfTwoPairsIsCauchys) {
  const PairedResult result = PairedT(Values{1, 1}, Values{2, 4});
  const double pi = std::acos(-1.0);
  EXPECT_DOUBLE_EQ(result.difference, 2);
  EXPECT_NEAR(result.p, 1 - 2 * std::atan(2.0) / pi, 1e-14);
  EXPECT_NEAR(result.high, 2 + std::tan(0.475 * pi), 1e-11);
}

TEST(MeanOfSeveralTest, OfOneIsThePairedTAndOfTwoWelchs) {
  const Values a = {3.1, 2.7, 3.9, 4.4, 2.2, 3.3, 3.0, 2.9};
  const Values b = {2.9, 2.8, 3.6, 4.1, 2.3, 3.0, 2.6, 2.95};
  Values d;
  for (std::size_t i = 0; i < a.size(); ++i) d.push_back(b[i] - a[i]);
  const PairedMean one{Mean(d), StandardError(d), d.size()};
  EXPECT_NEAR(MeanOfSeveralP(std::vector{one}), 0.06913646370047513, 1e-12);
  // SciPy 1.17.1: ttest_ind([1, 2, 4], [-3, -1, -2, -2.5], equal_var=False): the sum of both means.
  const Values up = {1, 2, 4};
  const Values down = {3, 1, 2, 2.5};
  const std::vector<PairedMean> both = {{Mean(up), StandardError(up), 3},
                                        {Mean(down), StandardError(down), 4}};
  EXPECT_NEAR(MeanOfSeveralP(both), 0.020776801238658334, 1e-12);
  EXPECT_TRUE(std::isnan(MeanOfSeveralP(std::vector<PairedMean>{{1, 0, 5}, {2, 0, 5}})));
  EXPECT_TRUE(std::isnan(MeanOfSeveralP(std::vector<PairedMean>{{1, 1, 5}, {2, 1, 1}})));
}

TEST(PairedTTest, DifferencesThatAreAllTheSame) {
  const PairedResult shifted = PairedT(Values{1, 2, 3}, Values{2, 3, 4});
  EXPECT_EQ(shifted.low, 1);
  EXPECT_EQ(shifted.high, 1);
  EXPECT_TRUE(std::isnan(shifted.p));  // no spread is known of a figure that comes in steps
  const PairedResult equal = PairedT(Values{1, 2, 3}, Values{1, 2, 3});
  EXPECT_EQ(equal.difference, 0);
  EXPECT_EQ(equal.low, 0);
  EXPECT_EQ(equal.high, 0);
  EXPECT_TRUE(std::isnan(equal.p));
}

TEST(PairedTTest, WhatIsUndefinedIsNaN) {
  ExpectAllNaN(PairedT(Values{}, Values{}));
  ExpectAllNaN(PairedT(Values{1, 2}, Values{1, std::nan("")}));
  for (const Values& b : {Values{3}, Values{3, kInfinity}}) {
    const PairedResult result = PairedT(Values(b.size(), 1.0), b);
    EXPECT_EQ(result.difference, b.size() == 1 ? 2 : kInfinity);
    EXPECT_TRUE(std::isnan(result.low));
    EXPECT_TRUE(std::isnan(result.high));
    EXPECT_TRUE(std::isnan(result.p));
  }
}

TEST(PairedTest, SamplesOfDifferentSizesAreRefused) {
  EXPECT_THROW(PairedT(Values{1}, Values{1, 2}), std::logic_error);
  EXPECT_THROW(PairedBootstrap(Values{1}, Values{1, 2}, {}), std::logic_error);
  EXPECT_THROW(ExactMcNemar(Values{1}, Values{1, 0}), std::logic_error);
}

// All 4^4 samples of four differences are equally likely. No step of their distribution lies within
// six standard errors (0.0008 each) of 0.025 or 0.975, so the ends are exact.
TEST(PairedBootstrapTest, IsTheDistributionOverAllSamples) {
  const Values a(4, 0.0);
  const Values b = {-1, 0.5, 2, 4};
  Values means;
  for (unsigned code = 0; code < 256; ++code) {
    means.push_back((b[code & 3U] + b[code >> 2 & 3U] + b[code >> 4 & 3U] + b[code >> 6]) / 4);
  }
  std::sort(means.begin(), means.end());
  const auto not_above = std::upper_bound(means.begin(), means.end(), 0.0) - means.begin();
  const PairedResult result = PairedBootstrap(a, b, {39999, 3});
  EXPECT_EQ(result.difference, 1.375);
  EXPECT_EQ(result.low, means[6]);  // 0.025 * 256 = 6.4
  EXPECT_EQ(result.high, means[249]);
  const double p = 2 * static_cast<double>(not_above) / 256;
  EXPECT_NEAR(result.p, p, 10 * std::sqrt(2 * p / 39999));
}

/// n pairs of normal values; b is less by `shift` on average.
std::array<Values, 2> NormalPairs(std::size_t n, double shift, unsigned seed) {
  std::mt19937 random(seed);
  std::array<Values, 2> pairs;
  const auto normal = [&] {  // Irwin-Hall
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random()) * 0x1p-32;
    return sum;
  };
  for (std::size_t i = 0; i < n; ++i) {
    pairs[0].push_back(normal());
    pairs[1].push_back(pairs[0].back() + 0.3 * normal() - shift);
  }
  return pairs;
}

TEST(PairedBootstrapTest, IsNearStudentsForNormalDifferences) {
  const auto [a, b] = NormalPairs(301, 0.02, 1);
  const PairedResult t = PairedT(a, b);
  const PairedResult result = PairedBootstrap(a, b, {});
  const double width = t.high - t.low;
  EXPECT_DOUBLE_EQ(result.difference, t.difference);
  EXPECT_NEAR(result.low, t.low, 0.05 * width);
  EXPECT_NEAR(result.high, t.high, 0.05 * width);
  EXPECT_NEAR(result.p, t.p, 0.03);
}

TEST(PairedBootstrapTest, TheSeedAndNothingElseDecides) {
  const auto [a, b] = NormalPairs(50, 0.1, 2);
  const PairedResult first = PairedBootstrap(a, b, {999, 7});
  const PairedResult again = PairedBootstrap(a, b, {999, 7});
  const PairedResult other = PairedBootstrap(a, b, {999, 8});
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_EQ(first.p, again.p);
  EXPECT_NE(first.low, other.low);
  EXPECT_NE(first.high, other.high);
  ExpectMirrored(PairedBootstrap(b, a, {999, 7}), first);
}

TEST(PairedBootstrapTest, IntervalAndPAgree) {
  int outside = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    const auto [a, b] = NormalPairs(10, 0.2, seed);
    const PairedResult result = PairedBootstrap(a, b, {399, seed});
    const bool excluded = result.low > 0 || result.high < 0;
    EXPECT_EQ(excluded, result.p <= 0.05) << seed;
    outside += excluded ? 1 : 0;
  }
  EXPECT_GT(outside, 50);
  EXPECT_LT(outside, 150);
}

TEST(PairedBootstrapTest, NoChanceIsSmallerThanTheResamplesShow) {
  EXPECT_DOUBLE_EQ(PairedBootstrap(Values{0, 0, 0}, Values{1, 2, 3}, {9999, 0}).p, 2e-4);
  const PairedResult equal = PairedBootstrap(Values{1, 2}, Values{1, 2}, {});
  EXPECT_EQ(equal.p, 1);
  EXPECT_EQ(equal.low, 0);
  EXPECT_EQ(equal.high, 0);
}

TEST(PairedBootstrapTest, WhatIsUndefinedIsNaN) {
  ExpectAllNaN(PairedBootstrap(Values{}, Values{}, {}));
  ExpectAllNaN(PairedBootstrap(Values{1, 2}, Values{1, std::nan("")}, {}));
  const PairedResult one = PairedBootstrap(Values{1}, Values{3}, {});
  EXPECT_EQ(one.difference, 2);
  EXPECT_TRUE(std::isnan(one.low));
  EXPECT_TRUE(std::isnan(one.p));
  const PairedResult few = PairedBootstrap(Values{0, 0}, Values{1, 2}, {38, 0});
  EXPECT_TRUE(std::isnan(few.low));
  EXPECT_TRUE(std::isnan(few.high));
  EXPECT_DOUBLE_EQ(few.p, 2.0 / 39);
  EXPECT_GE(PairedBootstrap(Values{0, 0}, Values{1, 2}, {39, 0}).low, 1);
  EXPECT_THROW(PairedBootstrap(Values{0, 0}, Values{1, 2}, {0, 0}), std::logic_error);
}

/// McNemar's test of n pairs, x of them (0, 1) and y of them (1, 0).
PairedResult McNemar(std::size_t n, std::size_t x, std::size_t y) {
  Values a(n, 1.0);
  Values b(n, 1.0);
  std::fill_n(a.begin(), x, 0.0);
  std::fill_n(b.begin() + static_cast<std::ptrdiff_t>(x), y, 0.0);
  return ExactMcNemar(a, b);
}

/// P(Binomial(n, p) = k), by Pascal's rule.
double BinomialPdf(int n, int k, double p) {
  if (k < 0 || k > n) return 0;
  if (n == 0) return 1;
  return p * BinomialPdf(n - 1, k - 1, p) + (1 - p) * BinomialPdf(n - 1, k, p);
}

TEST(ExactMcNemarTest, ClosedForms) {
  const PairedResult five = McNemar(100, 0, 5);
  EXPECT_DOUBLE_EQ(five.difference, -0.05);
  EXPECT_NEAR(five.p, 2 * std::pow(0.5, 5), 1e-15);
  EXPECT_EQ(McNemar(10, 3, 3).p, 1);
  // Nothing differs: the ends are those of a share of 0 in n (Clopper and Pearson).
  const PairedResult equal = McNemar(7, 0, 0);
  EXPECT_EQ(equal.difference, 0);
  EXPECT_EQ(equal.p, 1);
  EXPECT_NEAR(equal.high, 1 - std::pow(0.025, 1.0 / 7), 1e-12);
  EXPECT_EQ(equal.low, -equal.high);
  // One pair, and it differs: theta ~ Beta(1, 1).
  const PairedResult one = McNemar(1, 1, 0);
  EXPECT_NEAR(one.low, -0.95, 1e-12);
  EXPECT_EQ(one.high, 1);
}

// SciPy 1.17.1: pvalue of binomtest(x, x + y); ends from the header's definition with stats.beta,
// integrate.quad over theta and optimize.brentq.
TEST(ExactMcNemarTest, IsSciPys) {
  struct Case {
    std::size_t n, x, y;
    double low, high, p;
  };
  for (const Case& c :
       {Case{21, 1, 7, -0.5454987534266514, 0.020449518751772897, 0.0703125},
        Case{100, 5, 0, -0.002228947711713679, 0.11283491110546275, 0.0625},
        Case{50, 2, 12, -0.354988496666103, -0.0361471379535773, 0.012939453125},
        Case{10, 6, 4, -0.47524384678610987, 0.7568954837603457, 0.75390625},
        Case{400, 30, 12, 0.010931615102668223, 0.07988494742671448, 0.007915897334896727},
        Case{10000, 700, 610, 0.0018074200968322472, 0.016197202329137305, 0.013902723449447724},
        Case{3, 3, 0, -0.41519645235742675, 1, 0.25}}) {
    const PairedResult result = McNemar(c.n, c.x, c.y);
    EXPECT_DOUBLE_EQ(result.difference, (static_cast<double>(c.x) - static_cast<double>(c.y)) /
                                            static_cast<double>(c.n));
    EXPECT_NEAR(result.low, c.low, 1e-9) << c.n;  // the integral's tolerance
    EXPECT_NEAR(result.high, c.high, 1e-9) << c.n;
    EXPECT_NEAR(result.p, c.p, 1e-12) << c.n;
    ExpectMirrored(McNemar(c.n, c.y, c.x), result);
  }
}

TEST(ExactMcNemarTest, PIsTheSumOfBothTailsAndAgreesWithTheInterval) {
  for (int x = 0; x <= 10; ++x) {
    for (int y = 0; x + y <= 10; ++y) {
      double tail = 0;
      for (int k = 0; k <= std::min(x, y); ++k) tail += BinomialPdf(x + y, k, 0.5);
      const PairedResult result =
          McNemar(11, static_cast<std::size_t>(x), static_cast<std::size_t>(y));
      EXPECT_NEAR(result.p, std::min(1.0, 2 * tail), 1e-14) << x << " " << y;
      EXPECT_EQ(result.low > 0 || result.high < 0, result.p < 0.05) << x << " " << y;
      EXPECT_LE(result.low, result.difference);
      EXPECT_GE(result.high, result.difference);
    }
  }
}

// Over a grid of models, by summing the chances of all tables of 8 pairs.
TEST(ExactMcNemarTest, TheIntervalCoversTheTruthAtLeast95TimesIn100) {
  constexpr int kPairs = 8;
  std::array<std::array<PairedResult, kPairs + 1>, kPairs + 1> results{};
  for (std::size_t x = 0; x <= kPairs; ++x) {
    for (std::size_t y = 0; x + y <= kPairs; ++y) results[x][y] = McNemar(kPairs, x, y);
  }
  for (double unequal = 0.05; unequal <= 1; unequal += 0.15) {
    for (double up = 0.025; up < 1; up += 0.19) {
      double covered = 0;
      const double truth = unequal * (2 * up - 1);
      for (int m = 0; m <= kPairs; ++m) {
        for (int x = 0; x <= m; ++x) {
          const auto& result =
              results[static_cast<std::size_t>(x)][static_cast<std::size_t>(m - x)];
          if (result.low > truth || result.high < truth) continue;
          covered += BinomialPdf(kPairs, m, unequal) * BinomialPdf(m, x, up);
        }
      }
      EXPECT_GE(covered, 0.95) << unequal << " " << up;
    }
  }
}

TEST(ExactMcNemarTest, TakesZeroAndOneOnlyAndSomethingAtAll) {
  EXPECT_THROW(ExactMcNemar(Values{0.5}, Values{1}), std::logic_error);
  EXPECT_THROW(ExactMcNemar(Values{1}, Values{std::nan("")}), std::logic_error);
  ExpectAllNaN(ExactMcNemar(Values{}, Values{}));
}

}  // namespace
}  // namespace roundlab
