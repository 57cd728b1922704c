#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "core/kernels/token_nll.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

constexpr std::int64_t kGroups = 13824;  // 1536 x 1152 / 128: about one gate and up projection
constexpr std::int64_t kWidth = 128;

using FakeQuantOp = at::Tensor (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                   const at::Tensor&, double);

/// Forward and backward of one fake-quantized weight.
void FakeQuantStep(benchmark::State& state, FakeQuantOp op) {
  const at::Tensor w = testing::RandomTensor({kGroups, kWidth}, 1);
  const at::Tensor v = at::zeros_like(w).requires_grad_(true);
  const at::Tensor scale = at::full({kGroups}, 0.3).requires_grad_(true);
  const at::Tensor zero = at::full({kGroups}, 8.0).requires_grad_(true);
  const at::Tensor gradient = testing::RandomTensor({kGroups, kWidth}, 10);
  for (auto _ : state) {
    op(w, v, scale, zero, 15).backward(gradient);
    v.mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * w.numel());
}
at::Tensor InFloat(const at::Tensor& w, const at::Tensor& v, const at::Tensor& scale,
                   const at::Tensor& zero, double code_max) {
  return FakeQuant(w, v, scale, zero, code_max);
}
BENCHMARK_CAPTURE(FakeQuantStep, fused, InFloat)->UseRealTime();
BENCHMARK_CAPTURE(FakeQuantStep, aten, reference::FakeQuant)->UseRealTime();

void RmsNormStep(benchmark::State& state,
                 at::Tensor (*op)(const at::Tensor&, const at::Tensor&, double)) {
  const at::Tensor x = testing::RandomTensor({4096, 576}, 2).requires_grad_(true);
  const at::Tensor weight = at::ones({576});
  const at::Tensor gradient = testing::RandomTensor({4096, 576}, 3);
  for (auto _ : state) {
    op(x, weight, 1e-5).backward(gradient);
    x.mutable_grad().reset();
  }
  state.SetItemsProcessed(state.iterations() * x.numel());
}
BENCHMARK_CAPTURE(RmsNormStep, fused, RmsNorm)->UseRealTime();
BENCHMARK_CAPTURE(RmsNormStep, aten, reference::RmsNorm)->UseRealTime();

void SwiGluStep(benchmark::State& state, at::Tensor (*op)(const at::Tensor&, const at::Tensor&)) {
  const at::Tensor gate = testing::RandomTensor({4096, 1536}, 4).requires_grad_(true);
  const at::Tensor up = testing::RandomTensor({4096, 1536}, 5).requires_grad_(true);
  const at::Tensor gradient = testing::RandomTensor({4096, 1536}, 6);
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
  const at::Tensor hidden = testing::RandomTensor({512, 576}, 7);
  const at::Tensor head = testing::RandomTensor({49152, 576}, 8);
  const at::Tensor targets = testing::RandomIds({512}, 9, 49152);
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
