#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <benchmark/benchmark.h>

#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "core/model/packed_tokens.h"
#include "tests/bench/bench_block.h"
#include "tests/support/random_tensor.h"

namespace roundlab {
namespace {

// Questions as HellaSwag's are: a context of 80 tokens with four endings of 25, each without its
// last token.
constexpr std::int64_t kDocuments = 20;
constexpr std::int64_t kContext = 80;
constexpr std::int64_t kEnding = 24;
constexpr std::int64_t kChoices = 4;

PackedTokens Questions() {
  PackedTokens packed;
  for (std::int64_t d = 0; d < kDocuments; ++d) {
    for (std::int32_t c = 0; c < kChoices; ++c) {
      PackedTokens::Ids ids(static_cast<std::size_t>(kContext), static_cast<std::int32_t>(d));
      ids.insert(ids.end(), static_cast<std::size_t>(kEnding), kDocuments + c);
      packed.Add(ids);
    }
  }
  return packed;
}

/// A block over the questions, what they share computed once; items are questions.
void PackedQuestions(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const ModelDescription d = bench::SmolLm2Shape();
  const auto block = bench::RandomBlock(d);
  const PackedTokens packed = Questions();
  const RopeTable table = MakeRopeTable(d.rope, d.head_dim, kContext + kEnding);
  const at::Tensor places = at::tensor(at::ArrayRef<std::int64_t>(packed.positions()), at::kLong);
  const RopeTable rope = table.Select(places);
  const at::Tensor x = testing::RandomTensor({1, packed.rows(), d.hidden}, 1);
  const std::vector<Segment> segments = packed.Segments();
  for (auto _ : state) {
    benchmark::DoNotOptimize(block->ForwardPacked(x, rope, segments));
  }
  state.SetItemsProcessed(state.iterations() * kDocuments);
}
BENCHMARK(PackedQuestions)->UseRealTime()->Unit(benchmark::kMillisecond);

/// The same with every choice a row of its own in a batch, as others do.
void BatchedQuestions(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const ModelDescription d = bench::SmolLm2Shape();
  const auto block = bench::RandomBlock(d);
  const RopeTable rope = MakeRopeTable(d.rope, d.head_dim, kContext + kEnding);
  const at::Tensor x =
      testing::RandomTensor({kDocuments * kChoices, kContext + kEnding, d.hidden}, 2);
  for (auto _ : state) benchmark::DoNotOptimize(block->Forward(x, rope));
  state.SetItemsProcessed(state.iterations() * kDocuments);
}
BENCHMARK(BatchedQuestions)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Attention alone over one window of 2048 tokens: ours, and libtorch's.
void PackedAttentionWindow(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const at::Tensor q = testing::RandomTensor({2048, 9, 64}, 3);
  const at::Tensor k = testing::RandomTensor({2048, 3, 64}, 4);
  const at::Tensor v = testing::RandomTensor({2048, 3, 64}, 5);
  for (auto _ : state) {
    benchmark::DoNotOptimize(PackedAttention(q, k, v, {{{0, 2048}, {}}}, {0.125, 0}));
  }
}
BENCHMARK(PackedAttentionWindow)->UseRealTime()->Unit(benchmark::kMillisecond);

void LibtorchAttentionWindow(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const at::Tensor q = testing::RandomTensor({1, 9, 2048, 64}, 6);
  const at::Tensor k = testing::RandomTensor({1, 3, 2048, 64}, 7);
  const at::Tensor v = testing::RandomTensor({1, 3, 2048, 64}, 8);
  for (auto _ : state) {
    benchmark::DoNotOptimize(at::scaled_dot_product_attention(q, k, v, {}, 0.0, true, 0.125, true));
  }
}
BENCHMARK(LibtorchAttentionWindow)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Attention of a tuning step of 8 x 512 tokens, forward and backward: ours, and libtorch's.
using Attention = at::Tensor (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                 const AttentionOptions&);
void AttentionStep(benchmark::State& state, Attention attention) {
  const at::Tensor q = testing::RandomTensor({8, 512, 9, 64}, 9).requires_grad_();
  const at::Tensor k = testing::RandomTensor({8, 512, 3, 64}, 10).requires_grad_();
  const at::Tensor v = testing::RandomTensor({8, 512, 3, 64}, 11).requires_grad_();
  const at::Tensor dy = testing::RandomTensor({8, 512, 9, 64}, 12);
  for (auto _ : state) {
    attention(q, k, v, {0.125, 0}).backward(dy);
    for (const at::Tensor& x : {q, k, v}) x.mutable_grad().reset();
  }
}
BENCHMARK_CAPTURE(AttentionStep, ours, CausalAttention)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(AttentionStep, libtorch, reference::CausalAttention)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace roundlab
