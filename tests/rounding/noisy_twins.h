#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/random_tensor.h"

namespace roundlab::testing {

/// What a walk of ours has of what a golden file tells, by the file's names.
using GoldenPath = std::map<std::string, at::Tensor>;

/// Implementations differ by sums in other orders: gradients by up to kGradientNoise of the
/// largest, about 400 eps, where much cancels.
constexpr double kLastBits = 1e-5;
constexpr double kGradientNoise = 5e-5;

/// `t` with other last bits; seed 0: as it is.
inline at::Tensor OtherLastBits(const at::Tensor& t, std::uint64_t seed,
                                double spread = kLastBits) {
  return seed == 0 ? t : t * (1 + RandomTensor(t.sizes(), seed, spread));
}

/// The same walk from starts that differ in their last bits. Where a sign or a tie is decided by
/// those, paths part, and the original's may part from ours as far as our own from one another:
/// three times the largest distance is allowed.
class NoisyTwins {
 public:
  static constexpr double kTimes = 3;

  using Walk = std::function<GoldenPath(std::uint64_t seed)>;
  using Distance = std::function<double(const at::Tensor& a, const at::Tensor& b)>;

  NoisyTwins(GoldenPath path, const Walk& walk) : path_(std::move(path)) {
    for (std::uint64_t seed = 1; seed <= kTwins; ++seed) twins_.push_back(walk(seed));
  }

  const GoldenPath& Path() const { return path_; }

  double Slack(const std::string& name, const Distance& distance) const {
    double most = 0;
    for (const GoldenPath& twin : twins_) {
      most = std::max(most, distance(twin.at(name), path_.at(name)));
    }
    return kTimes * most;
  }

  /// Of the logs of a series of losses: what the steps up to each and the next one have shown, as a
  /// path may part a step before four twins do.
  at::Tensor SeriesSlack(const std::string& name) const {
    at::Tensor most = at::zeros_like(path_.at(name));
    for (const GoldenPath& twin : twins_) {
      most = at::maximum(most, (twin.at(name) / path_.at(name)).log().abs());
    }
    const at::Tensor seen = std::get<0>(most.cummax(0));
    return kTimes * at::cat({seen.slice(0, 1), seen.slice(0, -1)});
  }

 private:
  static constexpr std::uint64_t kTwins = 4;
  GoldenPath path_;
  std::vector<GoldenPath> twins_;
};

/// Once paths have parted their losses may differ by as much as twice at a step, but means of the
/// steps that follow stay together: those of 5000 pairs of our own paths within 20 %.
constexpr double kParted = 0.03;
constexpr double kSameMean = 0.2;

/// Losses of a walk beside the file's: each within `part` of it and what twins show (SeriesSlack),
/// and the mean of their logs, once twins have parted, within kSameMean or what twins show.
inline void ExpectLosses(const at::Tensor& golden, const at::Tensor& ours, double part,
                         const NoisyTwins& twins, const std::string& name) {
  ASSERT_EQ(ours.sizes(), golden.sizes());
  const at::Tensor slack = twins.SeriesSlack(name);
  const at::Tensor off = (ours / golden.to(at::kDouble)).log().abs() / (part + slack);
  EXPECT_LE(off.max().item<double>(), 1) << "step " << off.argmax().item<std::int64_t>() + 1;
  const at::Tensor parted = (slack > kParted).nonzero();
  if (parted.numel() == 0) return;
  const std::int64_t first = parted[0].item<std::int64_t>();
  const auto apart = [&](const at::Tensor& a, const at::Tensor& b) {
    return (a / b.to(at::kDouble)).log().slice(0, first).mean().abs().item<double>();
  };
  EXPECT_LE(apart(ours, golden), std::max(kSameMean, twins.Slack(name, apart)))
      << "mean from step " << first + 1;
}

inline double LargestOff(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace roundlab::testing
