#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace roundlab {

/// Points in clusters.
struct Clustering {
  at::Tensor labels;   ///< [points] int64
  at::Tensor centers;  ///< [clusters, dimensions] float64
  double inertia = 0;  ///< sum of squared distances to the own center
};

/// Lloyd's algorithm on points [points, dimensions], from given centers [clusters, dimensions],
/// both float64; a point as near to two centers takes the first. As scikit-learn's KMeans (1.9): at
/// most 300 steps, over where no label changes or the centers' summed squared shift is at most 1e-4
/// of the dimensions' mean variance. A cluster that lost all points keeps its center (scikit-learn
/// gives it the farthest point).
Clustering KMeans(const at::Tensor& points, const at::Tensor& centers);

/// The best by inertia of `starts` runs from k-means++ centers (each next one drawn with the
/// probability of its squared distance). clusters: at most the number of points.
Clustering KMeansFromDraws(const at::Tensor& points, std::int64_t clusters, std::int64_t starts,
                           std::uint64_t seed);

}  // namespace roundlab
