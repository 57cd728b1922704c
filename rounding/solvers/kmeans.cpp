#include "rounding/solvers/kmeans.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

constexpr int kMostSteps = 300;
constexpr double kTolerance = 1e-4;

at::Tensor SquaredDistances(const at::Tensor& points, const at::Tensor& centers) {
  return (points.unsqueeze(1) - centers.unsqueeze(0)).square().sum(2);
}

at::Tensor DrawCenters(const at::Tensor& points, std::int64_t clusters, at::Generator generator) {
  at::Tensor chosen = at::randint(points.size(0), {1}, generator, at::TensorOptions(at::kLong));
  while (chosen.numel() < clusters) {
    const at::Tensor nearest =
        SquaredDistances(points, points.index_select(0, chosen)).amin(1).index_fill(0, chosen, 0);
    at::Tensor weight = nearest;
    if (nearest.sum().item<double>() == 0) {  // fewer places than clusters
      weight = at::ones_like(nearest).index_fill(0, chosen, 0);
    }
    chosen = at::cat({chosen, at::multinomial(weight, 1, false, generator)});
  }
  return points.index_select(0, chosen);
}

}  // namespace

Clustering KMeans(const at::Tensor& points, const at::Tensor& start) {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(points.dim() == 2 && start.dim() == 2 && points.size(1) == start.size(1) &&
                     points.scalar_type() == at::kDouble && start.scalar_type() == at::kDouble,
                 "float64 points and centers of the same dimensions");
  const double tolerance = kTolerance * points.var(0, false).mean().item<double>();
  Clustering found{{}, start.clone(), 0};
  bool same = false;
  for (int step = 0; step < kMostSteps; ++step) {
    const at::Tensor labels = SquaredDistances(points, found.centers).argmin(1);
    const at::Tensor sums = at::zeros_like(found.centers).index_add(0, labels, points);
    const at::Tensor counts = at::bincount(labels, {}, start.size(0)).unsqueeze(1);
    const at::Tensor centers = at::where(counts > 0, sums / counts.clamp_min(1), found.centers);
    const double shift = (centers - found.centers).square().sum().item<double>();
    same = found.labels.defined() && at::equal(labels, found.labels);
    found.labels = labels;
    found.centers = centers;
    if (same || shift <= tolerance) break;
  }
  const at::Tensor distances = SquaredDistances(points, found.centers);
  if (!same) found.labels = distances.argmin(1);
  found.inertia = distances.gather(1, found.labels.unsqueeze(1)).sum().item<double>();
  return found;
}

Clustering KMeansFromDraws(const at::Tensor& points, std::int64_t clusters, std::int64_t starts,
                           std::uint64_t seed) {
  ROUNDLAB_CHECK(clusters >= 1 && clusters <= points.size(0) && starts >= 1,
                 "at least one cluster and start, at most as many clusters as points");
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  Clustering best;
  for (std::int64_t i = 0; i < starts; ++i) {
    Clustering now = KMeans(points, DrawCenters(points, clusters, generator));
    if (i == 0 || now.inertia < best.inertia) best = std::move(now);
  }
  return best;
}

}  // namespace roundlab
