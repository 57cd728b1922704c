#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "rounding/solvers/awq.h"

namespace roundlab {
namespace {

/// A search whose losses are given for each ratio and portion.
class AwqRace {
 public:
  AwqRace(std::vector<std::vector<double>> losses, double certainty) : losses_(std::move(losses)) {
    problem_.weights = {at::ones({1, 2})};
    problem_.absolute_mean = at::tensor({std::exp(1.0F), std::exp(-1.0F)});
    problem_.ratios = static_cast<std::int64_t>(losses_.size());
    problem_.portions = static_cast<std::int64_t>(losses_[0].size());
    problem_.certainty = certainty;
    // Weights that tell their ratio: (w s) s / s = s, and s = (e^r, e^-r).
    problem_.quantize = [](const at::Tensor& scaled, std::size_t /*i*/) { return scaled * scaled; };
    problem_.losses = [this](const std::vector<at::Tensor>& weights, std::int64_t first,
                             std::int64_t count) {
      const double ratio = std::log(weights[0][0][0].item<double>());
      const auto all = losses_.at(
          static_cast<std::size_t>(std::lround(ratio * static_cast<double>(problem_.ratios))));
      return std::vector<double>(all.begin() + first, all.begin() + first + count);
    };
  }
  AwqScaleSolution Run() const { return SearchAwqScale(problem_); }

 private:
  std::vector<std::vector<double>> losses_;
  AwqScaleProblem problem_;
};

/// Portions differ by a fifth from each other, ratios by a parabola around 0.35 and by a
/// little noise.
std::vector<std::vector<double>> Parabola(std::uint32_t seed, double noise) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> portions(64);
  for (double& portion : portions) portion = std::exp2(0.3 * normal(random));
  std::vector<std::vector<double>> losses;
  for (int i = 0; i < 20; ++i) {
    const double mean = 1 + 4 * std::pow(i / 20.0 - 0.35, 2);
    std::vector<double> row;
    for (const double portion : portions) row.push_back(portion * (mean + noise * normal(random)));
    losses.push_back(row);
  }
  return losses;
}

std::size_t LeastSum(const std::vector<std::vector<double>>& losses) {
  std::vector<double> sums;
  for (const auto& row : losses) {
    sums.push_back(0);
    for (const double loss : row) sums.back() += loss;
  }
  return static_cast<std::size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
}

/// Differences of +-1 around `mean` in each eight portions: sd sqrt(8 / 7) after the first lap.
AwqScaleSolution RaceOfTwo(std::int64_t portions, double mean, double certainty) {
  std::vector<std::vector<double>> losses(2);
  for (std::int64_t k = 0; k < portions; ++k) {
    losses[0].push_back(10);
    losses[1].push_back(10 + mean + (k % 2 == 0 ? 1 : -1));
  }
  return AwqRace(losses, certainty).Run();
}

TEST(AwqRaceTest, AMeansErrorIsOfThePortionsThatAreLeft) {
  // After 8 of 16: sqrt(8 / 7 / 8) sqrt(1 - 8 / 16) = 0.26726; of 4096: 0.37759.
  for (const auto& [portions, error] : {std::pair{16, 0.26726}, std::pair{4096, 0.37759}}) {
    EXPECT_EQ(RaceOfTwo(portions, 2 * error * 1.001, 2).seen[1], 8) << portions;
    EXPECT_GT(RaceOfTwo(portions, 2 * error * 0.999, 2).seen[1], 8) << portions;
  }
}

TEST(AwqRaceTest, FindsWhatAllPortionsSayInAFractionOfThem) {
  double seen = 0;
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    const auto losses = Parabola(seed, 0.05);
    const AwqScaleSolution whole = AwqRace(losses, 0).Run();
    const AwqScaleSolution race = AwqRace(losses, 4).Run();
    EXPECT_DOUBLE_EQ(whole.ratio, static_cast<double>(LeastSum(losses)) / 20);
    EXPECT_DOUBLE_EQ(race.ratio, whole.ratio);
    EXPECT_TRUE(at::equal(race.scale, whole.scale));
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(whole.seen[i], 64);
      EXPECT_LE(race.seen[i], race.seen[LeastSum(losses)]);
      seen += static_cast<double>(race.seen[i]) / (50 * 20 * 64);
    }
    EXPECT_EQ(race.seen[19], 8);
  }
  EXPECT_LT(seen, 0.5);
}

TEST(AwqRaceTest, LossesAreMeansOfWhatWasSeen) {
  auto losses = Parabola(1, 0.05);
  const AwqScaleSolution race = AwqRace(losses, 4).Run();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    double sum = 0;
    for (std::int64_t k = 0; k < race.seen[i]; ++k) sum += losses[i][static_cast<std::size_t>(k)];
    EXPECT_NEAR(race.losses[i], sum * 64 / static_cast<double>(race.seen[i]), 1e-12 * sum * 64);
  }
}

TEST(AwqRaceTest, WhatCannotBeToldApartSeesEverything) {
  const std::vector<double> row = Parabola(2, 0)[0];
  auto other = row;
  std::reverse(other.begin(), other.end());
  const AwqScaleSolution race = AwqRace({other, row, row}, 4).Run();
  EXPECT_EQ(race.seen, std::vector<std::int64_t>({64, 64, 64}));
  EXPECT_EQ(AwqRace({row, row}, 4).Run().ratio, 0);  // the first on a tie
}

TEST(AwqRaceTest, WhatIsNotFiniteIsOut) {
  const double bad = std::numeric_limits<double>::quiet_NaN();
  auto losses = Parabola(3, 0.05);
  const std::size_t best = LeastSum(losses);
  losses[best][20] = bad;  // after the first portions
  losses[0][0] = std::numeric_limits<double>::infinity();
  const AwqScaleSolution race = AwqRace(losses, 4).Run();
  EXPECT_TRUE(race.found);
  losses[best].assign(64, 1e9);
  losses[0].assign(64, 1e9);
  EXPECT_DOUBLE_EQ(race.ratio, static_cast<double>(LeastSum(losses)) / 20);
  const AwqScaleSolution none = AwqRace({{bad, 1}, {1, bad}}, 4).Run();
  EXPECT_FALSE(none.found);
  EXPECT_TRUE(at::equal(none.scale, at::ones({2})));
}

}  // namespace
}  // namespace roundlab
