#include "rounding/solvers/weighted_kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

double SquaredGap(float a, float b) {
  const double gap = static_cast<double>(a) - static_cast<double>(b);
  return gap * gap;
}

void CheckPoints(const WeightedPoints& points, std::size_t count) {
  ROUNDLAB_CHECK(!points.values.empty() && points.values.size() == points.weights.size(),
                 "a weight for each value");
  ROUNDLAB_CHECK(count > 0, "a number of clusters");
}

/// Of each value the nearest center, the first of equal ones.
void Label(const WeightedPoints& points, const std::vector<float>& centers,
           std::vector<std::int64_t>* labels) {
  for (std::size_t i = 0; i < points.values.size(); ++i) {
    std::size_t nearest = 0;
    double least = SquaredGap(points.values[i], centers[0]);
    for (std::size_t c = 1; c < centers.size(); ++c) {
      const double gap = SquaredGap(points.values[i], centers[c]);
      if (gap >= least) continue;
      least = gap;
      nearest = c;
    }
    (*labels)[i] = static_cast<std::int64_t>(nearest);
  }
}

double ErrorOf(const WeightedPoints& points, const Clusters& clusters) {
  double sum = 0;
  for (std::size_t i = 0; i < points.values.size(); ++i) {
    const float center = clusters.centers[static_cast<std::size_t>(clusters.labels[i])];
    sum += static_cast<double>(points.weights[i]) * SquaredGap(points.values[i], center);
  }
  return sum;
}

double MeanOf(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Variance(std::span<const float> values) {
  const double mean = MeanOf(values);
  double sum = 0;
  for (const float x : values) sum += (x - mean) * (x - mean);
  return sum / static_cast<double>(values.size());
}

/// Weight and weighted sum of each cluster.
struct Masses {
  std::vector<double> weight;
  std::vector<double> sum;
};

/// Gives each cluster without weight the farthest value that is left, which its own cluster loses.
void Relocate(const WeightedPoints& points, const std::vector<float>& centers,
              const std::vector<std::int64_t>& labels, Masses* masses) {
  std::vector<std::size_t> empty;
  for (std::size_t c = 0; c < centers.size(); ++c) {
    if (masses->weight[c] == 0) empty.push_back(c);
  }
  if (empty.empty()) return;
  const auto gap = [&](std::size_t i) {
    return SquaredGap(points.values[i], centers[static_cast<std::size_t>(labels[i])]);
  };
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t taken = std::min(empty.size(), order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(taken), order.end(),
      [&](std::size_t a, std::size_t b) { return gap(a) > gap(b) || (gap(a) == gap(b) && a < b); });
  if (gap(order[0]) == 0) return;
  for (std::size_t e = 0; e < taken; ++e) {
    const std::size_t far = order[e];
    const auto from = static_cast<std::size_t>(labels[far]);
    const auto weight = static_cast<double>(points.weights[far]);
    masses->weight[from] -= weight;
    masses->sum[from] -= weight * points.values[far];
    masses->weight[empty[e]] = weight;
    masses->sum[empty[e]] = weight * points.values[far];
  }
}

std::vector<float> NewCenters(const WeightedPoints& points, const std::vector<float>& centers,
                              const std::vector<std::int64_t>& labels) {
  Masses masses{std::vector<double>(centers.size()), std::vector<double>(centers.size())};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto c = static_cast<std::size_t>(labels[i]);
    masses.weight[c] += points.weights[i];
    masses.sum[c] += static_cast<double>(points.weights[i]) * points.values[i];
  }
  Relocate(points, centers, labels, &masses);
  const auto heaviest = static_cast<std::size_t>(
      std::max_element(masses.weight.begin(), masses.weight.end()) - masses.weight.begin());
  const double most = masses.weight[heaviest];
  if (most == 0) return centers;
  std::vector<float> moved(centers.size());
  for (std::size_t c = 0; c < centers.size(); ++c) {
    if (masses.weight[c] > 0) {
      moved[c] = static_cast<float>(masses.sum[c] / masses.weight[c]);
    } else if (heaviest < c) {
      moved[c] = moved[heaviest];
    } else {
      // As scikit-learn, whose sums are divided one after another in place: it takes the sum.
      const double mean = MeanOf(points.values);
      moved[c] = static_cast<float>(masses.sum[heaviest] - mean * most + mean);
    }
  }
  return moved;
}

/// Sorted values with running sums, taken from their middle so that squares cancel little.
class SortedPoints {
 public:
  explicit SortedPoints(const WeightedPoints& points) : order_(points.values.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      return points.values[a] < points.values[b];
    });
    double weight = 0;
    double sum = 0;
    for (const std::size_t i : order_) {
      weight += points.weights[i];
      sum += static_cast<double>(points.weights[i]) * points.values[i];
    }
    middle_ = weight > 0 ? sum / weight : 0;
    running_.push_back({});
    for (const std::size_t i : order_) {
      const double w = points.weights[i];
      const double x = points.values[i] - middle_;
      const Sums& last = running_.back();
      running_.push_back({last.weight + w, last.sum + w * x, last.square + w * x * x});
    }
  }

  std::size_t Count() const { return order_.size(); }
  std::size_t Place(std::size_t rank) const { return order_[rank]; }
  /// Error of one cluster of the values of ranks [begin, end).
  double Error(std::size_t begin, std::size_t end) const {
    const Sums s = Between(begin, end);
    return s.weight > 0 ? std::max(s.square - s.sum * s.sum / s.weight, 0.0) : 0;
  }
  /// Its center, `other` where it has no weight.
  float Center(std::size_t begin, std::size_t end, float other) const {
    const Sums s = Between(begin, end);
    return s.weight > 0 ? static_cast<float>(middle_ + s.sum / s.weight) : other;
  }

 private:
  struct Sums {
    double weight = 0;
    double sum = 0;
    double square = 0;
  };
  Sums Between(std::size_t begin, std::size_t end) const {
    const Sums& a = running_[begin];
    const Sums& b = running_[end];
    return {b.weight - a.weight, b.sum - a.sum, b.square - a.square};
  }

  std::vector<std::size_t> order_;
  std::vector<Sums> running_;
  double middle_ = 0;
};

/// One more cluster: least[j] = min over i of before[i] + error of [i, j). The best i rises with j.
class ClusterTable {
 public:
  ClusterTable(const SortedPoints& points, const std::vector<double>& before)
      : least(before.size()), start(before.size()), points_(points), before_(before) {
    Fill(0, before.size() - 1, 0, before.size() - 1);
  }

  std::vector<double> least;
  std::vector<std::size_t> start;

 private:
  void Fill(std::size_t first, std::size_t last, std::size_t low, std::size_t high) {
    const std::size_t j = (first + last) / 2;
    least[j] = std::numeric_limits<double>::infinity();
    for (std::size_t i = low; i <= std::min(high, j); ++i) {
      const double error = before_[i] + points_.Error(i, j);
      if (error >= least[j]) continue;
      least[j] = error;
      start[j] = i;
    }
    if (j > first) Fill(first, j - 1, low, start[j]);
    if (j < last) Fill(j + 1, last, start[j], high);
  }

  const SortedPoints& points_;
  const std::vector<double>& before_;
};

/// Draws of weighted k-means++.
class CenterDraws {
 public:
  CenterDraws(const WeightedPoints& points, std::uint64_t seed)
      : points_(points),
        engine_(seed),
        gap_(points.values.size(), std::numeric_limits<double>::infinity()) {}

  std::vector<float> Draw(std::int64_t count) {
    const auto tries = static_cast<int>(2 + std::floor(std::log(static_cast<double>(count))));
    std::vector<float> centers = {points_.values[One(points_.weights)]};
    gap_ = GapsWith(centers[0]).first;
    while (static_cast<std::int64_t>(centers.size()) < count) {
      double least = std::numeric_limits<double>::infinity();
      float best = centers[0];
      std::vector<double> gaps;
      for (int t = 0; t < tries; ++t) {
        const float candidate = points_.values[One(Pull())];
        auto [with, error] = GapsWith(candidate);
        if (error >= least) continue;
        least = error;
        best = candidate;
        gaps = std::move(with);
      }
      centers.push_back(best);
      gap_ = std::move(gaps);
    }
    return centers;
  }

 private:
  std::vector<float> Pull() const {
    std::vector<float> pull(gap_.size());
    for (std::size_t i = 0; i < gap_.size(); ++i) {
      pull[i] = static_cast<float>(points_.weights[i] * gap_[i]);
    }
    return pull;
  }
  /// A place with the probability of its share; the last of all where there is nothing to share.
  std::size_t One(std::span<const float> shares) {
    double all = 0;
    for (const float share : shares) all += share;
    double left = all * (static_cast<double>(engine_() >> 11) * 0x1.0p-53);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      left -= shares[i];
      if (left < 0) return i;
    }
    return shares.size() - 1;
  }
  std::pair<std::vector<double>, double> GapsWith(float center) const {
    std::vector<double> gaps(gap_.size());
    double error = 0;
    for (std::size_t i = 0; i < gaps.size(); ++i) {
      gaps[i] = std::min(gap_[i], SquaredGap(points_.values[i], center));
      error += static_cast<double>(points_.weights[i]) * gaps[i];
    }
    return {std::move(gaps), error};
  }

  const WeightedPoints& points_;
  std::mt19937_64 engine_;
  std::vector<double> gap_;  // of each value to its nearest center so far
};

}  // namespace

Clusters LloydClusters(const WeightedPoints& points, std::vector<float> centers,
                       std::int64_t iterations) {
  CheckPoints(points, centers.size());
  const double tolerance = 1e-4 * Variance(points.values);
  Clusters clusters;
  clusters.centers = std::move(centers);
  clusters.labels.assign(points.values.size(), -1);
  std::vector<std::int64_t> before;
  bool settled = false;
  while (!settled && clusters.iterations < iterations) {
    before = clusters.labels;
    Label(points, clusters.centers, &clusters.labels);
    std::vector<float> moved = NewCenters(points, clusters.centers, clusters.labels);
    double shift = 0;
    for (std::size_t c = 0; c < moved.size(); ++c) {
      shift += SquaredGap(moved[c], clusters.centers[c]);
    }
    clusters.centers = std::move(moved);
    ++clusters.iterations;
    settled = before == clusters.labels;
    if (!settled && shift <= tolerance) break;
  }
  if (!settled) Label(points, clusters.centers, &clusters.labels);
  clusters.error = ErrorOf(points, clusters);
  return clusters;
}

Clusters DrawnClusters(const WeightedPoints& points, std::int64_t count, std::int64_t iterations,
                       std::uint64_t seed) {
  CheckPoints(points, static_cast<std::size_t>(std::max<std::int64_t>(count, 0)));
  return LloydClusters(points, CenterDraws(points, seed).Draw(count), iterations);
}

Clusters BestClusters(const WeightedPoints& points, std::int64_t count) {
  CheckPoints(points, static_cast<std::size_t>(std::max<std::int64_t>(count, 0)));
  const SortedPoints sorted(points);
  std::vector<double> least(sorted.Count() + 1, std::numeric_limits<double>::infinity());
  least[0] = 0;
  std::vector<std::vector<std::size_t>> starts;
  for (std::int64_t c = 0; c < count; ++c) {
    ClusterTable table(sorted, least);
    least = std::move(table.least);
    starts.push_back(std::move(table.start));
  }
  Clusters best;
  best.centers.resize(static_cast<std::size_t>(count));
  best.labels.resize(sorted.Count());
  std::size_t end = sorted.Count();
  float next = points.values[sorted.Place(end - 1)];
  for (auto c = static_cast<std::size_t>(count); c-- > 0;) {
    const std::size_t begin = starts[c][end];
    next = begin < end ? sorted.Center(begin, end, next) : next;
    best.centers[c] = next;
    end = begin;
  }
  Label(points, best.centers, &best.labels);
  best.error = ErrorOf(points, best);
  return best;
}

}  // namespace roundlab
