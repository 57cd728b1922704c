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

/// Implementations differ by sums in other orders: gradients by up to 5e-5 of the largest, where
/// much cancels.
constexpr double kLastBits = 1e-5;

/// `t` with other last bits; seed 0: as it is.
inline at::Tensor OtherLastBits(const at::Tensor& t, std::uint64_t seed) {
  return seed == 0 ? t : t * (1 + RandomTensor(t.sizes(), seed, kLastBits));
}

/// The same walk from starts that differ in their last bits. Where a sign or a tie is decided by
/// those, paths part, and the original's may part from ours as far as our own from one another:
/// three times the largest distance is allowed.
class NoisyTwins {
 public:
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

  /// Of a series of losses: what the steps up to each have shown, and no more than 30 %, of which
  /// no two paths of one implementation were apart.
  at::Tensor SeriesSlack(const std::string& name) const {
    at::Tensor most = at::zeros_like(path_.at(name));
    for (const GoldenPath& twin : twins_) {
      most = at::maximum(most, (twin.at(name) - path_.at(name)).abs());
    }
    return at::minimum(kTimes * std::get<0>(most.cummax(0)), 0.3 * path_.at(name));
  }

 private:
  static constexpr std::uint64_t kTwins = 4;
  static constexpr double kTimes = 3;
  GoldenPath path_;
  std::vector<GoldenPath> twins_;
};

/// Losses of a walk beside the file's: within `part` of them and what twins show (SeriesSlack).
inline void ExpectLosses(const at::Tensor& golden, const at::Tensor& ours, double part,
                         const at::Tensor& slack) {
  ASSERT_EQ(ours.sizes(), golden.sizes());
  const at::Tensor expected = golden.to(at::kDouble);
  const at::Tensor off = (ours - expected).abs() / (part * expected + slack);
  EXPECT_LE(off.max().item<double>(), 1) << "step " << off.argmax().item<std::int64_t>() + 1;
}

inline double LargestOff(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace roundlab::testing
