#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "core/kernels/token_nll.h"

namespace roundlab {
namespace {

constexpr std::int64_t kGroups = 13824;  // 1536 x 1152 / 128: about one gate and up projection
constexpr std::int64_t kWidth = 128;

using FakeQuantOp = at::Tensor (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                   const at::Tensor&, double);

/// Forward and backward of one fake-quantized weight.
void FakeQuantStep(benchmark::State& state, FakeQuantOp op) {
  const at::Tensor w = at::randn({kGroups, kWidth});
  const at::Tensor v = at::zeros_like(w).requires_grad_(true);
  const at::Tensor scale = at::full({kGroups}, 0.3).requires_grad_(true);
  const at::Tensor zero = at::full({kGroups}, 8.0).requires_grad_(true);
  const at::Tensor gradient = at::randn_like(w);
  for (auto _ : state) {
    op(w, v, scale, zero, 15).backward(gradient);
    v.mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * w.numel());
}
BENCHMARK_CAPTURE(FakeQuantStep, fused, FakeQuant)->UseRealTime();
BENCHMARK_CAPTURE(FakeQuantStep, aten, reference::FakeQuant)->UseRealTime();

void RmsNormStep(benchmark::State& state,
                 at::Tensor (*op)(const at::Tensor&, const at::Tensor&, double)) {
  const at::Tensor x = at::randn({4096, 576}).requires_grad_(true);
  const at::Tensor weight = at::ones({576});
  const at::Tensor gradient = at::randn({4096, 576});
  for (auto _ : state) {
    op(x, weight, 1e-5).backward(gradient);
    x.mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * x.numel());
}
BENCHMARK_CAPTURE(RmsNormStep, fused, RmsNorm)->UseRealTime();
BENCHMARK_CAPTURE(RmsNormStep, aten, reference::RmsNorm)->UseRealTime();

void SwiGluStep(benchmark::State& state, at::Tensor (*op)(const at::Tensor&, const at::Tensor&)) {
  const at::Tensor gate = at::randn({4096, 1536}).requires_grad_(true);
  const at::Tensor up = at::randn({4096, 1536}).requires_grad_(true);
  const at::Tensor gradient = at::randn({4096, 1536});
  for (auto _ : state) {
    op(gate, up).backward(gradient);
    gate.mutable_grad().reset();
    up.mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * gate.numel());
}
BENCHMARK_CAPTURE(SwiGluStep, fused, SwiGlu)->UseRealTime();
BENCHMARK_CAPTURE(SwiGluStep, aten, reference::SwiGlu)->UseRealTime();

void ScoreTokens(benchmark::State& state, bool fused) {
  const at::NoGradGuard no_grad;
  const at::Tensor hidden = at::randn({512, 576});
  const at::Tensor head = at::randn({49152, 576});
  const at::Tensor targets = at::randint(49152, {512}, at::kLong);
  for (auto _ : state) {
    benchmark::DoNotOptimize(fused ? TokenNll(hidden, head, targets)
                                   : TokenNllReference(at::mm(hidden, head.t()), targets));
  }
  state.SetItemsProcessed(state.iterations() * hidden.size(0));
}
BENCHMARK_CAPTURE(ScoreTokens, fused, true)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ScoreTokens, aten, false)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace roundlab
