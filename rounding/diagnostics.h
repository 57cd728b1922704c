#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "core/base/log.h"
#include "core/metrics/metric_sink.h"
#include "rounding/hidden_states.h"
#include "rounding/scheme.h"
#include "rounding/unit.h"

namespace roundlab {

/// Sequences that a layer's output error is measured on.
constexpr std::int64_t kSampleRows = 4;
/// The first so many of these.
at::Tensor SampleOf(const HiddenStates& inputs);

/// Records under layers/<name>/:
///   flip_rate      part of the codes that differ from round to nearest on the untuned range
///   saturation     part of the codes at either end of the grid: {low, high}
///   weight_snr_db  10 log10(|W|^2 / |W - W^|^2)
///   output_snr_db  10 log10(|X W^T|^2 / |X (W - W^)^T|^2) where inputs are given, or over all
///                  tokens where a part had the second moment of inputs measured
/// (of codes as they come from the scheme; the first two only where codes are steps of a grid, the
/// first where it is of quant.grid's kind), what the scheme diagnoses, and, where there are any,
/// numbers of
///   zero_groups      groups all of whose weights are 0
///   constant_groups  groups of one weight's value, which is not 0
///   dead_columns     inputs that were 0 in all calibration tokens, where a part had them measured
///   idle_columns     elsewhere: those that were 0 in all of `inputs`
/// inputs: [..., in], a sample of what the layer sees, or undefined.
void DescribeLayer(const LayerContext& context, const LayerRounding& layer,
                   const QuantizedWeight& rounded, const at::Tensor& inputs, MetricSink* sink);

/// Where repairs have changed layers of the unit since, records of all that are rounded:
///   repaired_weight_snr_db, repaired_output_snr_db   as above, of the weights as they are
///   evaluated
/// rows: hidden states [rows, seq, hidden] that reach the unit, or undefined.
void DescribeRepairs(const Unit& unit, const std::map<std::string, QuantizedWeight>& weights,
                     const at::Tensor& rows, MetricSink* sink);

/// Tells of the unit's experts that no token was sent to in any of the forward passes so far, of
/// which nothing was learned, and records their number as units/<name>/idle_experts where there are
/// any. Without a pass there is nothing to tell.
void DescribeExperts(const Unit& unit, MetricSink* sink, Log* log);

}  // namespace roundlab
