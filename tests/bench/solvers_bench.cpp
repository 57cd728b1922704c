#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include "core/quant/grid.h"
#include "experiments/bench/timing.h"
#include "rounding/solvers/gptq.h"
#include "rounding/solvers/hqq.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

/// SmolLM2's down_proj: the largest second moment of its blocks.
constexpr std::int64_t kOut = 576;
constexpr std::int64_t kIn = 1536;

at::Tensor SecondMoment() {
  const at::Tensor x = testing::RandomTensor({4096, kIn}, 1);
  return at::mm(x.t(), x) / 2048;
}

void GptqFloor(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const at::Tensor hessian = SecondMoment();
  const at::Tensor weight = testing::RandomTensor({kOut, kIn}, 2);
  for (auto _ : state) GptqProducts(weight, hessian);
}
BENCHMARK(GptqFloor)->UseRealTime()->Unit(benchmark::kMillisecond);

void GptqSolver(benchmark::State& state) {
  GptqProblem problem;
  problem.weight = testing::RandomTensor({kOut, kIn}, 3);
  problem.hessian = SecondMoment();
  problem.grid = [](const at::Tensor& groups, const at::Tensor&) {
    return MakeGrid(MinMaxRange(groups), {});
  };
  for (auto _ : state) benchmark::DoNotOptimize(SolveGptq(problem, {}));
}
BENCHMARK(GptqSolver)->UseRealTime()->Unit(benchmark::kMillisecond);

void HqqSolver(benchmark::State& state) {
  const at::Tensor groups = testing::RandomTensor({kOut * kIn / 64, 64}, 4) * 0.05;
  HqqSettings settings;
  settings.early_stop = false;
  for (auto _ : state) benchmark::DoNotOptimize(SolveHqq(groups, settings));
  state.SetItemsProcessed(state.iterations() * kOut * kIn);
}
BENCHMARK(HqqSolver)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace roundlab
