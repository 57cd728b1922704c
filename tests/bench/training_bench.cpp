// A training step of the built-in model's shape and the matrix products in it, in one process.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include "core/model/families/llama.h"
#include "core/model/trainable.h"
#include "optimizers/optimizers.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

constexpr std::int64_t kBatch = 16;
constexpr std::int64_t kTrainSeq = 256;

ModelDescription LabShape() {
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = "llama";
  d.hidden = 128;
  d.intermediate = 384;
  d.layers = 4;
  d.heads = 4;
  d.kv_heads = 2;
  d.head_dim = 32;
  d.vocab = 1536;
  d.max_positions = kTrainSeq;
  d.windows.assign(4, 0);
  d.tied_head = true;
  return d;
}

void TrainingStep(benchmark::State& state) {
  const TrainableModel model(LabShape(), 0);
  std::vector<at::Tensor> weights;
  for (const auto& [name, value] : model.Parameters()) weights.push_back(value);
  ParamGroups groups;
  groups.emplace_back(weights);
  const auto optimizer = Optimizers().FromText("type: adamw").make(std::move(groups));
  const at::Tensor tokens = testing::RandomIds({kBatch, kTrainSeq + 1}, 4, 1536);
  for (auto _ : state) {
    optimizer->zero_grad();
    model.Loss(tokens, at::kFloat).backward();
    optimizer->step();
  }
  state.SetItemsProcessed(state.iterations() * kBatch * kTrainSeq);
}
BENCHMARK(TrainingStep)->UseRealTime()->Unit(benchmark::kMillisecond);

/// that the causal mask leaves.
void TrainingFloor(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const ModelDescription d = LabShape();
  const TrainableModel model(d, 0);
  const std::int64_t tokens = kBatch * kTrainSeq;
  struct Product {
    at::Tensor x, weight, dy;
  };
  std::vector<Product> products;
  for (const auto& [name, value] : model.Parameters()) {
    if (value.dim() < 2) continue;
    products.push_back({testing::RandomTensor({tokens, value.size(1)}, 1), value,
                        testing::RandomTensor({tokens, value.size(0)}, 2)});
  }
  const at::Tensor heads = testing::RandomTensor({kBatch * d.heads, kTrainSeq, d.head_dim}, 3);
  for (auto _ : state) {
    for (const Product& p : products) {
      benchmark::DoNotOptimize(at::mm(p.x, p.weight.t()));
      benchmark::DoNotOptimize(at::mm(p.dy.t(), p.x));
      benchmark::DoNotOptimize(at::mm(p.dy, p.weight));
    }
    // q k and p v cost three products each, forward and backward; the mask leaves half of that.
    for (std::int64_t i = 0; i < 3 * d.layers; ++i) {
      benchmark::DoNotOptimize(at::bmm(heads, heads.transpose(1, 2)));
    }
  }
  state.SetItemsProcessed(state.iterations() * tokens);
}
BENCHMARK(TrainingFloor)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace roundlab
