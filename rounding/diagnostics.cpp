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

/// Where the model's are of 16 bits these are, too, with float32's range, which errors need: powers
/// of sums change by less than a part in 10^4.
at::ScalarType ProductsOf(const LayerContext& context) {
  return context.products == at::kFloat ? at::kFloat : at::kBFloat16;
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
    const at::ScalarType products = ProductsOf(context);
    const at::Tensor x = inputs.reshape({-1, inputs.size(-1)}).to(products);
    const auto outputs = [&](const at::Tensor& weight) {
      return at::mm(x, weight.to(products).t());
    };
    sink->Array(prefix + "output_snr_db", {1}, {SnrDb(outputs(context.weight), outputs(error))});
  }
  for (auto& [name, values] : layer.Diagnose()) {
    const auto count = static_cast<std::int64_t>(values.size());
    sink->Array(prefix + name, {count}, values);
  }
}

}  // namespace roundlab
