#include "rounding/diagnostics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace roundlab {
namespace {

double Mean(const at::Tensor& condition) { return condition.to(at::kDouble).mean().item<double>(); }

double SnrDb(const at::Tensor& signal, const at::Tensor& noise) {
  const double s = signal.to(at::kDouble).square().sum().item<double>();
  const double n = noise.to(at::kDouble).square().sum().item<double>();
  return 10 * std::log10(s / n);  // infinity where nothing is lost
}

}  // namespace

void DescribeLayer(const LayerContext& context, const LayerRounding& layer,
                   const QuantizedWeight& rounded, const at::Tensor& inputs, MetricSink* sink) {
  const at::NoGradGuard no_grad;
  const std::string prefix = "layers/" + context.name + "/";
  const GroupLayout layout = context.Layout();
  if (rounded.OnGrid()) {
    const QuantizedWeight nearest =
        QuantizeAffine(layout.Split(context.weight), {}, MakeGrid(context.range, context.spec),
                       layout, context.spec);
    sink->Array(prefix + "flip_rate", {1}, {Mean(rounded.codes != nearest.codes)});
    const auto top = static_cast<std::int64_t>(context.spec.CodeMax());
    sink->Array(prefix + "saturation", {2}, {Mean(rounded.codes == 0), Mean(rounded.codes == top)});
  }
  const at::Tensor error = context.weight - rounded.Dequantize();
  sink->Array(prefix + "weight_snr_db", {1}, {SnrDb(context.weight, error)});
  if (inputs.defined()) {
    const at::Tensor x = inputs.reshape({-1, inputs.size(-1)}).to(at::kFloat);
    sink->Array(prefix + "output_snr_db", {1},
                {SnrDb(at::mm(x, context.weight.t()), at::mm(x, error.t()))});
  }
  for (auto& [name, values] : layer.Diagnose()) {
    const auto count = static_cast<std::int64_t>(values.size());
    sink->Array(prefix + name, {count}, values);
  }
}

}  // namespace roundlab
