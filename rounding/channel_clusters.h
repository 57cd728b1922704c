#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/quant/activation_quantizer.h"

namespace roundlab {

/// Clusters of the channels of like range [channels], by k-means in the plane of (high, low), ten
/// starts (arXiv 2304.01089, section 4.2; hahnyuan/RPTQ4LLM reorder.py): int64 labels [channels].
/// Where `heads` is above 1, channels are clustered within each head, `clusters` in each: labels
/// head * clusters + cluster.
at::Tensor ClusterChannels(const GroupRange& range, std::int64_t clusters, std::int64_t heads,
                           std::uint64_t seed);

/// The quantizer of channels [channels] whose clusters' ranges reach over all their channels'. RPTQ
/// moves a cluster's channels to neighbouring places, in the norm's kernel and in weights; that is
/// how they lie in memory and changes no value, so nothing is moved here.
ActivationQuantizer ClusterQuantizer(const GroupRange& range, const at::Tensor& labels,
                                     const ActivationSpec& spec);

}  // namespace roundlab
