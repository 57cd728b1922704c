#include "rounding/diagnostics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <tuple>

#include "core/base/error.h"
#include "core/kernels/linear.h"
#include "rounding/statistics.h"

namespace roundlab {
namespace {

constexpr std::int64_t kTileValues = std::int64_t{1} << 18;

double Mean(const at::Tensor& condition) { return condition.to(at::kDouble).mean().item<double>(); }

/// In float64, of some rows at a time: a copy of a large model's layer takes gigabytes.
double SquareSum(const at::Tensor& values) {
  const std::int64_t rows = std::max<std::int64_t>(kTileValues / values.size(1), 1);
  at::Tensor sum = at::zeros({}, values.options().dtype(at::kDouble));
  for (const at::Tensor& tile : values.split(rows)) sum += tile.to(at::kDouble).square().sum();
  return sum.item<double>();
}

double SnrDb(const at::Tensor& signal, const at::Tensor& noise) {
  return 10 * std::log10(SquareSum(signal) / SquareSum(noise));  // infinity where nothing is lost
}

/// Where the model's are of 16 bits these are, too, with float32's range, which errors need: powers
/// of sums change by less than a part in 10^4.
at::ScalarType WideProducts(at::ScalarType products) {
  return products == at::kFloat ? at::kFloat : at::kBFloat16;
}

/// inputs: undefined, or none (an expert may see no token), where outputs are left out.
void TellErrors(const std::string& prefix, const at::Tensor& weight, const at::Tensor& rounded,
                const at::Tensor& inputs, at::ScalarType products, MetricSink* sink) {
  const at::Tensor error = weight - rounded;
  sink->Array(prefix + "weight_snr_db", {1}, {SnrDb(weight, error)});
  if (!inputs.defined() || inputs.numel() == 0) return;
  const at::Tensor x = inputs.reshape({-1, inputs.size(-1)}).to(products);
  const auto outputs = [&](const at::Tensor& w) { return Product(x, w.to(products).t()); };
  sink->Array(prefix + "output_snr_db", {1}, {SnrDb(outputs(weight), outputs(error))});
}

/// Nothing of inputs that were all 0 or not finite.
void TellOutputs(const std::string& prefix, const at::Tensor& weight, const at::Tensor& rounded,
                 const at::Tensor& moment, MetricSink* sink) {
  const double signal = OutputEnergy(weight, moment);
  const double noise = OutputEnergy(weight - rounded, moment);
  if (!std::isfinite(signal) || !std::isfinite(noise) || signal <= 0) return;
  sink->Array(prefix + "output_snr_db", {1}, {10 * std::log10(signal / std::max(noise, 0.0))});
}

double Count(const at::Tensor& condition) {
  return static_cast<double>(condition.sum().item<std::int64_t>());
}

/// What there is nothing to round in.
void TellGroups(const LayerContext& context, const std::string& prefix, MetricSink* sink) {
  const GroupLayout layout = context.Layout();
  const at::Tensor groups = layout.Split(context.weight);
  at::Tensor low;
  at::Tensor high;
  if (!layout.Padded()) {
    std::tie(low, high) = at::aminmax(groups, 1);
  } else {
    const at::Tensor filled = layout.Split(at::ones_like(context.weight)) == 0;
    low = groups.masked_fill(filled, INFINITY).amin(1);
    high = groups.masked_fill(filled, -INFINITY).amax(1);
  }
  const at::Tensor same = low == high;
  const at::Tensor zero = (low == 0).logical_and(high == 0);
  const double zeros = Count(zero);
  const double constant = layout.width > 1 ? Count(same.logical_and(zero.logical_not())) : 0;
  if (zeros > 0) sink->Array(prefix + "zero_groups", {1}, {zeros});
  if (constant > 0) sink->Array(prefix + "constant_groups", {1}, {constant});
}

/// Inputs that were 0 in all of `inputs`.
std::int64_t IdleColumns(const at::Tensor& inputs) {
  if (!inputs.defined() || inputs.numel() == 0) return 0;
  return (inputs == 0).reshape({-1, inputs.size(-1)}).all(0).sum().item<std::int64_t>();
}

/// Of all tokens, where they were measured.
std::optional<std::int64_t> DeadColumns(const LayerContext& context) {
  if (context.dead_columns) return context.dead_columns;
  return context.inputs ? context.inputs->DeadColumns() : std::nullopt;
}

/// A name that run.h5 can have beside those above.
void CheckDiagnostic(const std::string& layer, const std::string& name) {
  static const std::set<std::string> kOurs = {"flip_rate",
                                              "saturation",
                                              "weight_snr_db",
                                              "output_snr_db",
                                              "zero_groups",
                                              "constant_groups",
                                              "idle_columns",
                                              "budget_bits",
                                              "budget_scores",
                                              "repaired_weight_snr_db",
                                              "repaired_output_snr_db"};
  if (name.empty() || name == "." || name.find('/') != std::string::npos) {
    throw Error(layer + ": its scheme diagnoses '" + name + "', which is no name in run.h5");
  }
  if (kOurs.count(name) > 0) {
    throw Error(layer + ": its scheme diagnoses '" + name + "', which is told of every scheme");
  }
}

}  // namespace

at::Tensor SampleOf(const HiddenStates& inputs) {
  return inputs.Narrow(0, std::min(kSampleRows, inputs.rows()));
}

void DescribeLayer(const LayerContext& context, const LayerRounding& layer,
                   const QuantizedWeight& rounded, const at::Tensor& inputs, MetricSink* sink) {
  const at::NoGradGuard no_grad;
  const std::string prefix = "layers/" + context.name + "/";
  const GroupLayout layout = context.Layout();
  if (rounded.OnGrid()) {
    const QuantizedWeight nearest =
        QuantizeAffine(layout.Split(context.weight), {}, MakeGrid(context.range, context.spec),
                       layout, context.spec);
    const bool alike = rounded.spec.grid == context.spec.grid &&
                       rounded.spec.axis == context.spec.axis && !rounded.exponent.defined();
    if (alike) {
      sink->Array(prefix + "flip_rate", {1}, {Mean(rounded.codes != nearest.codes)});
    }
    const auto top = static_cast<std::int64_t>(context.spec.CodeMax());
    sink->Array(prefix + "saturation", {2}, {Mean(rounded.codes == 0), Mean(rounded.codes == top)});
  }
  const at::Tensor weight = rounded.Dequantize();
  TellErrors(prefix, context.weight, weight, inputs, WideProducts(context.products), sink);
  if (!inputs.defined() && context.inputs && context.inputs->second_moment.defined()) {
    TellOutputs(prefix, context.weight, weight, context.inputs->second_moment, sink);
  }
  TellGroups(context, prefix, sink);
  const Diagnostics told = layer.Diagnose();
  if (told.count("dead_columns") == 0) {
    const auto dead = DeadColumns(context);
    const std::int64_t count = dead ? *dead : IdleColumns(inputs);
    const char* name = dead ? "dead_columns" : "idle_columns";
    if (count > 0) sink->Array(prefix + name, {1}, {static_cast<double>(count)});
  }
  for (const auto& [name, values] : told) {
    CheckDiagnostic(context.name, name);
    const auto count = static_cast<std::int64_t>(values.size());
    sink->Array(prefix + name, {count}, values);
  }
}

void DescribeRepairs(const Unit& unit, const std::map<std::string, QuantizedWeight>& weights,
                     const at::Tensor& rows, MetricSink* sink) {
  const at::NoGradGuard no_grad;
  const std::vector<LinearSlot*> slots = unit.Slots();
  std::vector<at::Tensor> inputs(slots.size());
  if (rows.defined()) inputs = unit.CaptureAllInputs(rows);
  const at::ScalarType products = WideProducts(rows.defined() ? rows.scalar_type() : at::kFloat);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto found = weights.find(slots[i]->name);
    if (found == weights.end()) continue;
    TellErrors("layers/" + slots[i]->name + "/repaired_", slots[i]->weight,
               found->second.Dequantize(), inputs[i], products, sink);
  }
}

void DescribeExperts(const Unit& unit, MetricSink* sink, Log* log) {
  std::int64_t idle = 0;
  for (const auto& block : unit.blocks()) {
    const std::vector<std::int64_t>& tokens = block->ExpertTokens();
    if (std::all_of(tokens.begin(), tokens.end(), [](std::int64_t n) { return n == 0; })) continue;
    std::string which;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i] == 0) which += (which.empty() ? "" : ", ") + std::to_string(i);
    }
    const std::int64_t count = std::count(tokens.begin(), tokens.end(), 0);
    if (count == 0) continue;
    idle += count;
    log->Write(unit.name() + ": nothing is learned of " + std::to_string(count) + " of " +
               std::to_string(tokens.size()) + " experts that no calibration token was sent to (" +
               which + ")");
  }
  if (idle > 0) {
    sink->Array("units/" + unit.name() + "/idle_experts", {1}, {static_cast<double>(idle)});
  }
}

}  // namespace roundlab
