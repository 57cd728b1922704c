#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/kernels/token_nll.h"
#include "core/model/shapes.h"
#include "experiments/bench/timing.h"

namespace roundlab {

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
  // Products alone, some rows at a time: all logits at once would not fit everywhere.
  const std::int64_t rows = std::min<std::int64_t>(tokens, 512);
  at::Tensor logits = at::empty({rows, model.vocab}, hidden.options());
  result.floor_seconds = TimeWork(few, [&] {
    for (std::int64_t first = 0; first < tokens; first += rows) {
      const std::int64_t count = std::min(rows, tokens - first);
      at::Tensor made = logits.narrow(0, 0, count);
      at::mm_out(made, hidden.narrow(0, first, count), weight.t());
    }
  });
  logits.reset();
  result.seconds = TimeWork(few, [&] { TokenNll(hidden, weight, targets); });
  result.peak_bytes = PeakBytes(options.device);
  result.figures = {{"tokens", static_cast<double>(tokens)}};
  return result;
}

}  // namespace roundlab
