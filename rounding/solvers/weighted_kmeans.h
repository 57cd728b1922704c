#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace roundlab {

/// Values on a line, each with a weight >= 0; to be put into clusters of least
///   sum w (x - c)^2,   c the center of x's cluster.
struct WeightedPoints {
  std::span<const float> values;
  std::span<const float> weights;  ///< as many; a point of weight 0 gets a label and pulls nothing
};

struct Clusters {
  std::vector<float> centers;
  std::vector<std::int64_t> labels;  ///< of each value, an index into centers
  double error = 0;                  ///< the sum, with centers as they are stored
  std::int64_t iterations = 0;       ///< of Lloyd's method
};

/// Lloyd's method from given centers as scikit-learn 1.9 has it (sklearn/cluster/_kmeans.py,
/// _k_means_common.pyx): until no label changes, the summed squared shift of all centers is at most
/// 1e-4 of the values' variance (their weights not counted), or `iterations` have passed. A cluster
/// without weight moves to the value that is farthest from its center; where no value is off its
/// center, or that one has no weight, to the center of the heaviest cluster or, where that comes
/// behind it, to its weighted sum of values less their mean (there, sums are divided in place, one
/// after another). Sums are float64.
Clusters LloydClusters(const WeightedPoints& points, std::vector<float> centers,
                       std::int64_t iterations);

/// The same from drawn centers: k-means++ with weights (Arthur and Vassilvitskii 2007), of
/// 2 + floor(ln count) draws a center the one that leaves least, as scikit-learn does. The draws
/// are std::mt19937_64's of `seed`, not NumPy's.
Clusters DrawnClusters(const WeightedPoints& points, std::int64_t count, std::int64_t iterations,
                       std::uint64_t seed);

/// The clusters of least error, by dynamic programming over the sorted values (Wang and Song 2011),
/// each row of the table by divide and conquer: O(count n log n). Centers rise; where there are
/// fewer values of weight than clusters, some centers are equal.
Clusters BestClusters(const WeightedPoints& points, std::int64_t count);

}  // namespace roundlab
