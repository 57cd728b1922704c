#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include "rounding/range.h"
#include "rounding/tuner/tuner.h"
#include "tests/bench/bench_block.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

constexpr std::int64_t kRows = 8;
constexpr std::int64_t kTuneSeq = 512;

/// The matrix products of one tuning step and nothing else: forward, weight gradient, and input
/// gradient where something before the layer needs it (not q, k, v: the block's input is fixed).
void LinearFloor(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const auto block = bench::RandomBlock(bench::SmolLm2Shape());
  const auto slots = block->Linears();
  std::vector<at::Tensor> xs;
  std::vector<at::Tensor> dys;
  for (const LinearSlot* slot : slots) {
    xs.push_back(testing::RandomTensor({kRows * kTuneSeq, slot->weight.size(1)}, 1));
    dys.push_back(testing::RandomTensor({kRows * kTuneSeq, slot->weight.size(0)}, 2));
  }
  for (auto _ : state) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      benchmark::DoNotOptimize(at::mm(xs[i], slots[i]->weight.t()));
      benchmark::DoNotOptimize(at::mm(dys[i].t(), xs[i]));
      if (i >= 3) benchmark::DoNotOptimize(at::mm(dys[i], slots[i]->weight));
    }
  }
}
BENCHMARK(LinearFloor)->UseRealTime()->Unit(benchmark::kMillisecond);

/// One SignRound step on a block of SmolLM2's shape, 8 x 512 tokens.
void SignRoundStep(benchmark::State& state) {
  const ModelDescription d = bench::SmolLm2Shape();
  const auto block = bench::RandomBlock(d);
  const RopeTable rope = MakeRopeTable(d.rope, d.head_dim, kTuneSeq);
  const Reconstruction unit{"block_0", block->Linears(),
                            [&](const at::Tensor& x) { return block->Forward(x, rope); }};
  const auto scheme = RoundingSchemes().FromText("type: signround").make();
  const auto range = RangeEstimators().FromText("type: minmax").make();
  std::vector<std::unique_ptr<LayerRounding>> layers;
  for (const LinearSlot* slot : unit.slots) {
    LayerContext context{
        slot->name, slot->weight, {4, 128, GridKind::kAsym, ScaleType::kFloat32, false}, {}, 0};
    context.range = range->Estimate(context);
    layers.push_back(scheme->Begin(context));
  }
  UnitData data{testing::RandomTensor({kRows, kTuneSeq, d.hidden}, 3), {}};
  {
    const at::NoGradGuard no_grad;
    data.targets = block->Forward(data.inputs.values(), rope);
  }
  TuneOptions options;
  options.steps = 10;
  for (auto _ : state) TuneUnit(unit, data, layers, options, 0, {});
  // TuneUnit also looks at the loss before and after: two forward passes in ten steps.
  state.counters["steps/s"] = benchmark::Counter(10.0 * static_cast<double>(state.iterations()),
                                                 benchmark::Counter::kIsRate);
  state.SetLabel("10 steps");
}
BENCHMARK(SignRoundStep)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Forward pass of a block over one window of 2048 tokens, and its matrix products alone.
void BlockForward(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const ModelDescription d = bench::SmolLm2Shape();
  const auto block = bench::RandomBlock(d);
  const RopeTable rope = MakeRopeTable(d.rope, d.head_dim, 2048);
  const at::Tensor x = testing::RandomTensor({1, 2048, d.hidden}, 4);
  for (auto _ : state) benchmark::DoNotOptimize(block->Forward(x, rope));
  state.SetItemsProcessed(state.iterations() * 2048);
}
BENCHMARK(BlockForward)->UseRealTime()->Unit(benchmark::kMillisecond);

void BlockForwardFloor(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const auto block = bench::RandomBlock(bench::SmolLm2Shape());
  std::vector<at::Tensor> xs;
  for (const LinearSlot* slot : block->Linears()) {
    xs.push_back(testing::RandomTensor({2048, slot->weight.size(1)}, 5));
  }
  for (auto _ : state) {
    for (std::size_t i = 0; i < xs.size(); ++i) {
      benchmark::DoNotOptimize(at::mm(xs[i], block->Slot(i).weight.t()));
    }
  }
  state.SetItemsProcessed(state.iterations() * 2048);
}
BENCHMARK(BlockForwardFloor)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace roundlab
