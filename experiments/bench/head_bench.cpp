#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/kernels/token_nll.h"
#include "core/model/shapes.h"
#include "experiments/bench/timing.h"

namespace roundlab {

namespace {

constexpr std::int64_t kFewColumns = 2048;  // of tokens' logits, which then stay in the cache

/// Products alone, some rows and columns at a time: all logits at once would not fit everywhere.
double TimeLogits(const BenchOptions& options, const at::Tensor& hidden, const at::Tensor& weight,
                  std::int64_t columns) {
  const std::int64_t rows = std::min<std::int64_t>(hidden.size(0), 512);
  at::Tensor logits = at::empty({rows * std::min(columns, weight.size(0))}, hidden.options());
  return TimeWork(options, [&] {
    for (const at::Tensor& x : hidden.split(rows)) {
      for (const at::Tensor& w : weight.split(columns)) {
        at::Tensor made = logits.narrow(0, 0, x.size(0) * w.size(0)).view({x.size(0), w.size(0)});
        at::mm_out(made, x, w.t());
      }
    }
  });
}

}  // namespace

Benchmark BenchHead(const std::string& shape, const BenchOptions& options) {
  const at::NoGradGuard no_grad;
  const ModelDescription model = DescribeShape(shape);
  // As evaluation has it: float32 on the CPU.
  const at::ScalarType dtype = options.device.is_cpu() ? at::kFloat : TorchType(options.products);
  const std::int64_t tokens =
      options.device.is_cpu() ? options.seqlen : options.batch * options.seqlen;
  const at::Tensor hidden = RandomTensor(options, {tokens, model.hidden}, 1, dtype);
  const at::Tensor weight = RandomTensor(options, {model.vocab, model.hidden}, 2, dtype) * 0.02;
  const at::Tensor targets =
      at::arange(tokens, hidden.options().dtype(at::kLong)).remainder(model.vocab);
  Benchmark result{"evaluation_head/" + shape};
  BenchOptions few = options;
  few.steps = 0;  // the least that TimeWork counts
  WatchPeak(options.device);
  result.floor_seconds = std::min(TimeLogits(few, hidden, weight, model.vocab),
                                  TimeLogits(few, hidden, weight, kFewColumns));
  result.seconds = TimeWork(few, [&] { TokenNll(hidden, weight, targets); });
  result.peak_bytes = PeakBytes(options.device);
  result.figures = {{"tokens", static_cast<double>(tokens)}};
  return result;
}

}  // namespace roundlab
