#include "experiments/bench/timing.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/base/error.h"
#include "core/kernels/device.h"
#include "core/kernels/linear.h"
#include "core/kernels/ops.h"
#include "core/metrics/memory.h"
#include "core/model/rope.h"

namespace roundlab {
namespace {

/// Forward and backward of `work`, which reads `leaves`.
double TimeGradient(const BenchOptions& options, const std::vector<at::Tensor>& leaves,
                    const std::function<at::Tensor()>& work) {
  const at::Tensor y = work();
  const at::Tensor dy = RandomTensor(options, y.sizes(), 1, y.scalar_type());
  return TimeWork(options, [&] {
    for (const at::Tensor& t : leaves) t.mutable_grad() = at::Tensor();
    work().backward(dy);
  });
}

}  // namespace

at::ScalarType TorchType(BenchProducts products) {
  if (products == BenchProducts::kFloat32) return at::kFloat;
  return products == BenchProducts::kBFloat16 ? at::kBFloat16 : at::kHalf;
}

at::Tensor RandomTensor(const BenchOptions& options, at::IntArrayRef shape, std::uint64_t seed,
                        at::ScalarType dtype) {
  return at::randn(shape, MakeGenerator(options.device, seed),
                   at::TensorOptions(options.device).dtype(dtype));
}

std::int64_t GroupSize(const BlockPlan& plan) {
  for (const std::int64_t size : {128, 64}) {
    const auto divides = [&](const LinearPlan& linear) { return linear.in % size == 0; };
    if (std::all_of(plan.linears.begin(), plan.linears.end(), divides)) return size;
  }
  return 32;
}

double TimeWork(const BenchOptions& options, const std::function<void()>& work) {
  DeviceTimer timer(options.device);
  for (int i = 0; i < 2; ++i) work();
  timer.Mark();
  for (std::int64_t i = 0; i < std::max<std::int64_t>(3, options.steps / 2); ++i) {
    work();
    timer.Mark();
  }
  std::vector<double> seconds = timer.Seconds();
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

void WatchPeak(const at::Device& device) {
  if (device.is_cpu()) return ResetPeakResident();
  ResetPeakMemory(device);
}

std::int64_t PeakBytes(const at::Device& device) {
  return device.is_cpu() ? PeakResidentBytes() : MemoryOf(device).peak;
}

void Heat(const BenchOptions& options) {
  if (!options.device.is_cuda()) return;
  const at::NoGradGuard no_grad;
  const at::Tensor x = RandomTensor(options, {8192, 8192}, 1, at::kBFloat16);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 20; ++i) at::mm(x, x);
    Synchronize(options.device);
  }
}

namespace {

/// The block's attention as it is computed, forward: where heads are small it is ahead of its
/// products one by one.
double TimeAttention(const AttentionPlan& a, const BenchOptions& options) {
  const at::NoGradGuard no_grad;
  const auto heads = [&](std::int64_t count, std::uint64_t seed) {
    return RandomTensor(options, {options.batch, options.seqlen, count, a.head_dim}, seed,
                        TorchType(options.products));
  };
  const at::Tensor q = heads(a.heads, 1);
  const at::Tensor k = heads(a.kv_heads, 2);
  const at::Tensor v = heads(a.kv_heads, 3);
  AttentionOptions mixing;
  mixing.scale = a.scale;
  return TimeWork(options, [&] { CausalAttention(q, k, v, mixing); });
}

}  // namespace

BareProducts TimeProducts(const ModelDescription& model, const BenchOptions& options) {
  const at::NoGradGuard no_grad;
  Heat(options);
  const std::int64_t tokens = options.batch * options.seqlen;
  const BlockPlan plan = model.Plan(0);
  const at::ScalarType dtype = ProductDtype(TorchType(options.products), options.device);
  BareProducts seconds;
  for (const LinearPlan& linear : plan.linears) {
    const at::Tensor x = RandomTensor(options, {tokens, linear.in}, 1, dtype);
    const at::Tensor w = RandomTensor(options, {linear.out, linear.in}, 2, dtype) * 0.02;
    const at::Tensor dy = RandomTensor(options, {tokens, linear.out}, 3, dtype);
    seconds.linear_forward += TimeWork(options, [&] { at::linear(x, w); });
    seconds.weight_gradient += TimeWork(options, [&] { at::mm(dy.t(), x); });
    if (linear.input == 0) continue;  // the block's input is fixed
    seconds.input_gradient += TimeWork(options, [&] { at::mm(dy, w); });
  }
  // A mixer is held against the layers alone.
  if (!plan.HasAttention()) return seconds;
  const std::int64_t pairs = options.batch * plan.attention.heads;
  const std::int64_t half = options.seqlen / 2;  // causal
  const std::int64_t width = plan.attention.head_dim;
  const at::Tensor rows = RandomTensor(options, {pairs, half, width}, 4, dtype);
  const at::Tensor columns = RandomTensor(options, {pairs, options.seqlen, width}, 5, dtype);
  const at::Tensor square = RandomTensor(options, {pairs, half, options.seqlen}, 6, dtype);
  const double outer = TimeWork(options, [&] { at::bmm(rows, columns.transpose(1, 2)); });
  const double inner = TimeWork(options, [&] { at::bmm(square, columns); });
  const double turned = TimeWork(options, [&] { at::bmm(square.transpose(1, 2), rows); });
  seconds.attention_forward = outer + inner;  // q k^T, P v
  seconds.attention_backward =
      2 * outer + inner + 2 * turned;  // q k^T again, dO v^T; dS k; both ^T
  seconds.attention_forward =
      std::min(seconds.attention_forward, TimeAttention(plan.attention, options));
  return seconds;
}

double Benchmark::Part(const std::string& part) const {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.first == part; });
  ROUNDLAB_CHECK(found != parts.end(), part);
  return found->second;
}

void TimeOperations(const ModelDescription& model, const BenchOptions& options, Benchmark* result) {
  const BlockPlan plan = model.Plan(0);
  const AttentionPlan& a = plan.attention;
  std::uint64_t seed = 1;
  const auto leaf = [&](std::int64_t width) {
    return RandomTensor(options, {options.batch, options.seqlen, width}, seed++,
                        TorchType(options.products))
        .requires_grad_(true);
  };
  const auto add = [&](const char* name, const std::vector<at::Tensor>& leaves,
                       const std::function<at::Tensor()>& work) {
    result->parts.emplace_back(name, TimeGradient(options, leaves, work));
  };
  if (plan.HasAttention()) {
    const at::Tensor q = leaf(a.heads * a.head_dim);
    const at::Tensor k = leaf(a.kv_heads * a.head_dim);
    const at::Tensor v = leaf(a.kv_heads * a.head_dim);
    const auto heads = [&](const at::Tensor& t, std::int64_t count) {
      return t.view({options.batch, options.seqlen, count, a.head_dim});
    };
    AttentionOptions mixing;
    mixing.scale = a.scale;
    add("attention_forward_backward", {q, k, v}, [&] {
      return CausalAttention(heads(q, a.heads), heads(k, a.kv_heads), heads(v, a.kv_heads), mixing);
    });
    const RopeTable rope = MakeRopeTable(model, options.seqlen).To(options.device);
    if (a.rotary != RotaryStyle::kNone) {
      add("rope_forward_backward", {q}, [&] {
        return ApplyRope(heads(q, a.heads).narrow(3, 0, a.rotary_dim), rope.cosine, rope.sine);
      });
    }
  }
  if (plan.mlp.gated) {
    const at::Tensor gate = leaf(model.intermediate);
    const at::Tensor up = leaf(model.intermediate);
    add("swiglu_forward_backward", {gate, up}, [&] { return SwiGlu(gate, up); });
  }
  const at::Tensor x = leaf(model.hidden);
  const at::Tensor ones = at::ones({model.hidden}, at::TensorOptions(options.device));
  add("norm_forward_backward", {x}, [&] { return RmsNorm(x, ones, model.norm_eps); });
  const at::Tensor target = leaf(model.hidden).detach();
  add("mse_forward_backward", {x}, [&] { return MeanSquaredError(x, target); });
  const at::NoGradGuard no_grad;
  result->parts.emplace_back("residual_add", TimeWork(options, [&] { at::add(x, target); }));
  const at::Tensor from = at::zeros({std::int64_t{1} << (options.device.is_cuda() ? 28 : 22)},
                                    at::TensorOptions(options.device));
  at::Tensor to = at::empty_like(from);
  const double seconds = TimeWork(options, [&] { to.copy_(from); });
  result->figures.emplace_back("copy_bytes_a_second",
                               2 * static_cast<double>(from.nbytes()) / seconds);
}

}  // namespace roundlab
