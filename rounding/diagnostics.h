#pragma once

#include <ATen/core/Tensor.h>

#include "core/metrics/metric_sink.h"
#include "rounding/scheme.h"

namespace roundlab {

/// Records under layers/<name>/:
///   flip_rate      part of the codes that differ from round to nearest on the untuned range
///   saturation     part of the codes at either end of the grid: {low, high}
///   weight_snr_db  10 log10(|W|^2 / |W - W^|^2)
///   output_snr_db  10 log10(|X W^T|^2 / |X (W - W^)^T|^2) where inputs are given
/// (the first two only where codes are steps of a grid), what the scheme diagnoses, and, where
/// there are any, numbers of
///   zero_groups      groups all of whose weights are 0
///   constant_groups  groups of one weight's value, which is not 0
///   dead_columns     inputs that were 0 in all calibration tokens, where statistics tell
/// inputs: [..., in], a sample of what the layer sees, or undefined.
void DescribeLayer(const LayerContext& context, const LayerRounding& layer,
                   const QuantizedWeight& rounded, const at::Tensor& inputs, MetricSink* sink);

}  // namespace roundlab
