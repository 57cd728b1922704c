#include "experiments/cost/machine_probe.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>

#include "core/model/random_source.h"
#include "core/model/rope.h"
#include "experiments/run/execute.h"
#include "rounding/stages/round.h"
#include "rounding/tuner/tuner.h"

namespace roundlab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kBlockWeights = 4 << 20;  // of a probed block, at most
constexpr std::int64_t kTokens = 4096;           // of a probed batch, at most
constexpr std::int64_t kFewTokens = 1024;        // where the model is larger than what is probed
constexpr std::int64_t kWidth = 4096;            // of probed products, at most

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class Step>
double SecondsOf(const Step& step) {
  step();  // warm
  double best = 1e30;
  const auto begin = Clock::now();
  do {
    const auto start = Clock::now();
    step();
    best = std::min(best, Since(start));
  } while (Since(begin) < 0.25);
  return best;
}

double ProductRate(const ModelDescription& m, std::int64_t tokens) {
  const std::int64_t inner = std::min(m.intermediate, kWidth);
  const std::int64_t hidden = std::min(m.hidden, kWidth);
  const std::int64_t rows = std::min(tokens, hidden < 1024 ? kTokens : kFewTokens);
  const at::Tensor x = at::ones({rows, hidden});
  const at::Tensor up = at::ones({inner, hidden});
  const at::Tensor out = at::ones({hidden, hidden});
  const double seconds = SecondsOf([&] {
    at::linear(x, up);
    at::linear(x, out);
  });
  return 2 * static_cast<double>(rows * hidden * (inner + hidden)) / seconds;
}

/// One layer of the model's proportions with at most kBlockWeights weights.
ModelDescription SmallBlock(ModelDescription m) {
  m.layers = 1;
  m.windows.resize(1);
  m.qkv_bias = m.output_bias = m.mlp_bias = m.qk_norm = false;
  const std::int64_t queries = m.heads / m.kv_heads;
  while (m.LinearWeights() > kBlockWeights && m.hidden > 64) {
    m.hidden /= 2;
    m.intermediate = std::max<std::int64_t>(1, m.intermediate / 2);
    m.kv_heads = std::max<std::int64_t>(1, m.kv_heads / 2);
    m.heads = m.kv_heads * queries;
  }
  return m;
}

/// Seconds of the shorter of two steps of the run's stage, after one that warms up. Throws Error
/// where its learning rate is too large for random weights, or where it can't do without inputs.
double StepSeconds(const RunConfig& run, const ModelDescription& m, std::int64_t rows,
                   std::int64_t seqlen) {
  at::Generator generator = at::detail::createCPUGenerator(0);
  const auto block = RandomSource(m, "probe", 0).LoadBlock(0);
  const RopeTable rope = MakeRopeTable(m, seqlen);
  const RoundOptions round = *RoundOptionsOf(run.pipeline);
  const auto scheme = round.scheme.make();
  std::vector<std::unique_ptr<LayerRounding>> layers;
  for (LinearSlot* slot : block->Linears()) {
    LayerContext context{slot->name, slot->weight, run.quant->spec, {}, 0};
    context.range = MinMaxRange(context.Layout().Split(slot->weight));  // any will do
    layers.push_back(scheme->Begin(context));
  }
  UnitData data;
  data.inputs = at::randn({rows, seqlen, m.hidden}, generator, at::TensorOptions(at::kFloat))
                    .to(run.model.dtype);
  data.targets = data.inputs;
  TuneOptions tune = round.tune;
  tune.steps = 3;
  tune.batch = rows;
  tune.accumulate = std::min(tune.accumulate, rows);
  std::vector<Clock::time_point> ends;
  TunerHooks hooks;
  hooks.on_step = [&] { ends.push_back(Clock::now()); };
  TuneUnit(
      {"probe", block->Linears(), [&](const at::Tensor& x) { return block->Forward(x, rope); }},
      data, layers, tune, 0, hooks);
  const std::chrono::duration<double> first = ends.at(1) - ends.at(0);
  const std::chrono::duration<double> second = ends.at(2) - ends.at(1);
  return std::min(first, second).count();
}

double TuneFactor(const RunConfig& run, const ModelDescription& model, const Hardware& machine) {
  const ModelDescription block = SmallBlock(model);
  const std::int64_t most = block.hidden == model.hidden ? kTokens : kFewTokens;
  const std::int64_t seqlen = std::min(run.calibration->seqlen, most);
  const std::int64_t rows = std::clamp<std::int64_t>(most / seqlen, 1, StepRows(run));
  const auto tokens = static_cast<double>(rows * seqlen);
  const double computed = Seconds(StepWork(block, tokens, static_cast<double>(seqlen)), machine);
  try {
    return StepSeconds(run, block, rows, seqlen) / computed;
  } catch (const Error&) {
    return 1;
  }
}

}  // namespace

Hardware ProbeMachine(const RunConfig& run, const ModelDescription& model) {
  const int before = at::get_num_threads();
  at::set_num_threads(static_cast<int>(run.compute.threads));
  Hardware found;
  {
    const c10::InferenceMode no_grad;
    const std::int64_t rows = run.Needs().tokens ? run.calibration->seqlen * StepRows(run) : 2048;
    found.flops = ProductRate(model, rows);
    const at::Tensor large = at::ones({4 << 20});
    at::Tensor other = at::empty_like(large);
    found.bandwidth = 8.0 * static_cast<double>(large.numel()) /
                      SecondsOf([&] { at::mul_out(other, large, 2.0); });
    const at::Tensor small = at::ones({64});
    found.seconds_per_op = SecondsOf([&] {
                             for (int i = 0; i < 1000; ++i) at::mul(small, 2.0);
                           }) /
                           1000;
  }
  if (RoundingTunes(run)) found.tune_factor = TuneFactor(run, model, found);
  at::set_num_threads(before);
  return found;
}

}  // namespace roundlab
