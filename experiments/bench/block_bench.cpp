#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>

#include "core/kernels/device.h"
#include "core/kernels/ops.h"
#include "core/model/random_source.h"
#include "core/model/shapes.h"
#include "experiments/bench/timing.h"
#include "rounding/range.h"
#include "rounding/scheme.h"
#include "rounding/tuner/tuner.h"

namespace roundlab {
namespace {

class BlockBench {
 public:
  BlockBench(const std::string& shape, const BenchOptions& options)
      : shape_(shape),
        options_(options),
        model_(DescribeShape(shape)),
        group_(GroupSize(model_.Plan(0))) {}

  std::vector<Benchmark> Run() {
    const BareProducts bare = TimeProducts(model_, options_);
    MakeBlock();
    Heat(options_);
    Synchronize(options_.device);
    ReleaseMemory(options_.device);
    WatchPeak(options_.device);
    Benchmark step{"signround_step/" + shape_};
    step.parts = {{"linear_forward", bare.linear_forward},
                  {"weight_gradient", bare.weight_gradient},
                  {"input_gradient", bare.input_gradient},
                  {"attention_products", bare.attention_forward + bare.attention_backward}};
    Step(&step);
    step.peak_bytes = PeakBytes(options_.device);
    FakeQuantize(&step);
    TimeOperations(model_, options_, &step);
    // Where heads are small the kernel in use is ahead of its products one by one.
    step.floor_seconds =
        bare.linear_forward + bare.weight_gradient + bare.input_gradient +
        std::min(step.Part("attention_products"), step.Part("attention_forward_backward"));
    return {step, Forward(bare)};
  }

 private:
  at::ScalarType Products() const { return TorchType(options_.products); }
  at::TensorOptions Wide() const { return at::TensorOptions(options_.device).dtype(at::kFloat); }

  void MakeBlock() {
    const at::NoGradGuard no_grad;
    block_ = RandomSource(model_, "bench", 0, options_.device).LoadBlock(0);
    rope_ = MakeRopeTable(model_, options_.seqlen).To(options_.device);
    unit_ = {"block_0", block_->Linears(),
             [this](const at::Tensor& x) { return block_->Forward(x, rope_); }};
    data_.inputs =
        RandomTensor(options_, {2 * options_.batch, options_.seqlen, model_.hidden}, 1, Products());
    data_.targets = data_.inputs.Map([&](const at::Tensor& rows) { return unit_.forward(rows); });
  }

  /// The tuner's own steps, marked after each.
  void Step(Benchmark* result) {
    const auto scheme = RoundingSchemes().FromText("type: signround").make();
    const auto range = RangeEstimators().FromText("type: minmax").make();
    std::vector<std::unique_ptr<LayerRounding>> layers;
    for (const LinearSlot* slot : unit_.slots) {
      LayerContext context;
      context.name = slot->name;
      context.weight = slot->weight;
      context.spec = {4, group_, options_.grid, ScaleType::kFloat32, false};
      context.products = Products();
      context.range = range->Estimate(context);
      layers.push_back(scheme->Begin(context));
    }
    TuneOptions tune;
    tune.steps = options_.steps + 2;
    tune.batch = options_.batch;
    tune.lr_times_steps = 1;
    tune.never_worse = false;  // loss_after tells what the steps did
    tune.gradient_precision = options_.gradient_precision;
    DeviceTimer timer(options_.device);
    TunerHooks hooks;
    hooks.on_step = [&] { timer.Mark(); };
    const UnitResult tuned = TuneUnit(unit_, data_, layers, tune, 0, hooks);
    std::vector<double> seconds = timer.Seconds();
    result->parts.emplace_back("first_step", seconds.front());
    std::sort(seconds.begin(), seconds.end());
    result->parts.emplace_back("least_step", seconds.front());
    result->parts.emplace_back("most_step", seconds.back());
    result->seconds = seconds[seconds.size() / 2];
    result->figures = {{"group_size", static_cast<double>(group_)},
                       {"loss_before", tuned.loss_before},
                       {"loss_after", tuned.loss_after}};
    for (LinearSlot* slot : unit_.slots) slot->effective = at::Tensor();
  }

  /// All layers' fake quantization with its backward pass, with the step in it where that can be.
  void FakeQuantize(Benchmark* result) const {
    double forward = 0;
    double both = 0;
    for (const LinearSlot* slot : unit_.slots) {
      RangeQuant q;
      q.weight = slot->weight.view({-1, group_});
      q.offset = at::zeros_like(q.weight).requires_grad_(true);
      q.low = q.weight.amin(1).clamp_max(0);
      q.high = q.weight.amax(1).clamp_min(0);
      q.low_factor = at::ones_like(q.low).requires_grad_(true);
      q.high_factor = at::ones_like(q.low).requires_grad_(true);
      const bool takes_steps = TakesSignSteps(q.weight);
      SignSteps steps = takes_steps ? SignSteps{0.005, 0.005, 0} : SignSteps{};
      const at::Tensor dy = RandomTensor(options_, q.weight.sizes(), 2, Products());
      const auto quantize = [&] {
        const at::Tensor y = RangeFakeQuant(q, dy.scalar_type(), steps);
        if (takes_steps) steps.made = y.detach();  // as the scheme does from its second step on
        return y;
      };
      both += TimeWork(options_, [&] {
        for (const at::Tensor* p : {&q.offset, &q.low_factor, &q.high_factor}) {
          p->mutable_grad() = at::Tensor();
        }
        quantize().backward(dy);
      });
      const at::NoGradGuard no_grad;
      forward += TimeWork(options_, [&] { RangeFakeQuant(q, dy.scalar_type()); });
    }
    result->parts.emplace_back("fake_quant_forward", forward);
    result->parts.emplace_back("fake_quant_of_a_step", both);
  }

  Benchmark Forward(const BareProducts& bare) {
    const at::NoGradGuard no_grad;
    Benchmark result{"evaluation/" + shape_};
    for (LinearSlot* slot : unit_.slots) slot->weight = slot->weight.to(Products());
    const at::Tensor x = data_.inputs.Narrow(0, options_.batch);
    result.seconds = TimeWork(options_, [&] { unit_.forward(x); });
    result.floor_seconds = bare.linear_forward + bare.attention_forward;
    result.parts = {{"linear_forward", bare.linear_forward},
                    {"attention_products", bare.attention_forward}};
    return result;
  }

  std::string shape_;
  BenchOptions options_;
  ModelDescription model_;
  std::int64_t group_;
  std::unique_ptr<DecoderBlock> block_;
  RopeTable rope_;
  Reconstruction unit_;
  UnitData data_;
};

}  // namespace

std::vector<Benchmark> BenchBlock(const std::string& shape, const BenchOptions& options) {
  return BlockBench(shape, options).Run();
}

}  // namespace roundlab
