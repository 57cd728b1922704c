#include "rounding/channel_clusters.h"

#include <ATen/ATen.h>

#include <vector>

#include "core/base/error.h"
#include "rounding/observer.h"
#include "rounding/solvers/kmeans.h"

namespace roundlab {

at::Tensor ClusterChannels(const GroupRange& range, std::int64_t clusters, std::int64_t heads,
                           std::uint64_t seed) {
  constexpr std::int64_t kStarts = 10;
  const at::Tensor points = at::stack({range.high, range.low}, 1).to(at::kDouble).cpu();
  const auto parts = points.chunk(heads);
  ROUNDLAB_CHECK(points.size(0) % heads == 0, "heads of one width");
  std::vector<at::Tensor> labels;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Clustering found = KMeansFromDraws(parts[i], clusters, kStarts, seed + i);
    labels.push_back(found.labels + static_cast<std::int64_t>(i) * clusters);
  }
  return at::cat(labels).to(range.low.device());
}

ActivationQuantizer ClusterQuantizer(const GroupRange& range, const at::Tensor& labels,
                                     const ActivationSpec& spec) {
  const std::int64_t count = labels.max().item<std::int64_t>() + 1;
  const auto shared = [&](const at::Tensor& ends, const char* reduce) {
    const at::Tensor of_clusters = at::zeros({count}, ends.options());
    return of_clusters.scatter_reduce(0, labels, ends, reduce, /*include_self=*/false)
        .index_select(0, labels)
        .unsqueeze(0);
  };
  return StaticQuantizer({shared(range.low, "amin"), shared(range.high, "amax")}, spec);
}

}  // namespace roundlab
