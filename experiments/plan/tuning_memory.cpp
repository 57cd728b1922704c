#include "experiments/plan/tuning_memory.h"

#include <algorithm>

#include "core/kernels/recurrence.h"
#include "optimizers/optimizers.h"
#include "rounding/stages/round.h"

namespace roundlab {
namespace {

constexpr double kFloatBytes = sizeof(float);

/// Whether the backward pass takes the optimizer's steps, so that there are no gradients of what is
/// learned (Tuning::MakeOptimizer, with the fused kernels).
bool StepsInBackward(const RoundOptions& round, const QuantSpec& spec, const TuneOptions& tune) {
  return !round.oscillation && tune.MayStepInBackward() &&
         round.scheme.make()->OnGrid(spec).steps_in_backward;
}

/// A block's traits of layers, on average over its weights.
LayerTraits MeanTraits(const RoundingScheme& scheme, const QuantSpec& spec, const BlockPlan& block,
                       bool on_gpu) {
  LayerTraits mean{.trained = 0};
  double weights = 0;
  for (const LinearPlan& linear : block.linears) {
    const LayerShape layer{linear.name, linear.out, linear.in, spec};
    const LayerTraits traits = scheme.OnLayer(layer);
    mean.trained += traits.trained * layer.Weights();
    const double kept = on_gpu ? traits.kept : traits.kept_on_cpu.value_or(traits.kept);
    mean.kept += kept * layer.Weights();
    weights += layer.Weights();
  }
  return {.trained = mean.trained / weights, .kept = mean.kept / weights};
}

/// Values that a token has between an MLP's layers, of all experts that it goes to.
double MlpValues(const BlockPlan& plan) {
  double values = 0;
  for (const LinearPlan& linear : plan.linears) {
    if (linear.role != LinearRole::kDown) continue;
    values += static_cast<double>(linear.in) * plan.TokenShare(linear);
  }
  return values;
}

/// Rows that experts are fed, and what they give: each has its own, of all tokens sent to it.
double RowsOfExperts(const ModelDescription& m, const BlockPlan& plan) {
  return plan.mlp.experts ? 2.0 * static_cast<double>(plan.mlp.experts->used * m.hidden) : 0;
}

/// What is kept of each value between an MLP's layers. ReLU keeps what it gives alone; SwiGLU is
/// one step, others keep what the activation gives, too.
double KeptBetween(const MlpPlan& mlp) {
  if (!mlp.gated) return mlp.activation == Activation::kRelu ? 1 : 2;
  return mlp.activation == Activation::kSilu ? 3 : 4;
}

/// Values of a token that a block's forward pass keeps for its backward pass.
double KeptValues(const ModelDescription& m, const BlockPlan& plan) {
  const AttentionPlan& a = plan.attention;
  return 4.0 * static_cast<double>(m.hidden) + 2 * static_cast<double>(a.heads * a.head_dim) +
         2 * static_cast<double>(a.kv_heads * a.head_dim) +
         KeptBetween(plan.mlp) * MlpValues(plan) + RowsOfExperts(m, plan);
}

/// The same of a delta rule or state space, which are float32: products of a chunk's tokens, and
/// what they multiply. Fitted to measured peaks (results/estimates.md).
double KeptOfMixer(const BlockPlan& plan, double value) {
  std::int64_t numbers = 0;
  if (plan.mixer && plan.mixer->delta) {
    const DeltaRulePlan& rule = *plan.mixer->delta;
    numbers = 8 * rule.value_heads * (kRecurrenceChunk + rule.key_dim + rule.value_dim);
    if (rule.by_channel) numbers += 2 * rule.Decays() * kChannelsChunk;
  } else if (plan.mixer && plan.mixer->state_space) {
    const StateSpacePlan& space = *plan.mixer->state_space;
    numbers = 6 * space.heads * (kRecurrenceChunk + space.state + space.head_dim);
  }
  return static_cast<double>(numbers) * kFloatBytes / value;
}

/// Values of a token in the backward pass where they are most, at the MLP's activation of the one
/// block that is at work.
double GradientValues(const ModelDescription& m, const BlockPlan& plan) {
  return 2.0 * static_cast<double>(m.hidden) + 2 * MlpValues(plan);
}

/// Values that a token has of products of queries and keys, one a head and key, where attention has
/// no fused backward pass: what cap and softmax put out in each block, and three more in the one
/// that is at work. They are float32, but on a GPU.
double ScoreValues(const RunConfig& run, const ModelDescription& m, double blocks, double value) {
  const AttentionPlan attention = m.Plan(0).attention;
  if (attention.soft_cap == 0 && !attention.alibi && attention.sinks.empty()) return 0;
  const double kept = (attention.soft_cap > 0 ? 2 : 1) * blocks + 3;
  return kept * static_cast<double>(m.heads * run.calibration->seqlen) *
         (run.compute.OnGpu() ? 1 : kFloatBytes / value);
}

/// A loss of logits keeps those of both models, their logarithms and two gradients, in float32.
double LogitValues(const ModelDescription& m, double tokens, double value) {
  return 6 * tokens * static_cast<double>(m.vocab) * kFloatBytes / value;
}

/// Bytes of a token where statistics of channels are taken, or products in float64.
double MeasuredBytes(const RunConfig& run, const BlockPlan& plan) {
  const StageNeeds needs = run.Needs();
  const StatisticsKinds kinds = needs.of_original | needs.of_quantized;
  if (!kinds.Channels() && !kinds.in_double) return 0;
  std::int64_t widest = 0;
  for (const LinearPlan& linear : plan.linears) widest = std::max(widest, linear.in);
  return 2 * kFloatBytes * static_cast<double>(widest);
}

}  // namespace

TuningMemory TuningMemoryOf(const RunConfig& run, const ModelDescription& model,
                            const StageRecipe& recipe, double weights, double value) {
  TuningMemory memory;
  const auto stage = recipe.make();
  const auto round = RoundOptionsOf({recipe});
  const QuantSpec& spec = run.quant->spec;
  const BlockPlan plan = model.Plan(0);
  for (const TuneOptions* tune : stage->Tunings()) {
    // What others than a scheme learn is a number a channel.
    LayerTraits traits{.trained = 0, .kept = stage->KeptByGraph(plan).a_weight / kFloatBytes};
    if (round) traits = MeanTraits(*round->scheme.make(), spec, plan, run.compute.OnGpu());
    if (tune->unit_blocks == 0) traits.kept *= plan.LargestLinear() / weights;  // one at a time
    const double learned = weights * kFloatBytes * traits.trained;
    const double gradient = round && StepsInBackward(*round, spec, *tune) ? 0 : learned;
    memory.weights = weights * (kFloatBytes + value);
    // Sums over sequences are float32, and take the gradients' place.
    const at::ScalarType products = value == kFloatBytes ? at::kFloat : at::kBFloat16;
    const bool sums = tune->SumsBySequence(products, run.compute.OnGpu() ? at::kCUDA : at::kCPU);
    const double a_gradient = (sums ? kFloatBytes : value) + kFloatBytes * traits.kept;
    memory.gradients = std::max(memory.gradients, weights * a_gradient + gradient);
    const double copies = 1 + tune->Copies() + static_cast<double>(StateNumbers(tune->optimizer));
    memory.learned = std::max(memory.learned, learned * copies);
  }
  return memory;
}

double GraphValues(const RunConfig& run, const ModelDescription& model, double blocks,
                   double value) {
  const BlockPlan plan = model.Plan(0);
  return blocks * (KeptValues(model, plan) + KeptOfMixer(plan, value)) +
         GradientValues(model, plan) + ScoreValues(run, model, blocks, value);
}

double ActivationBytes(const RunConfig& run, const ModelDescription& model, std::int64_t rows,
                       double blocks, double value) {
  const BlockPlan plan = model.Plan(0);
  const auto seqlen = static_cast<double>(run.calibration->seqlen);
  const auto of_pass =
      4.0 * static_cast<double>(model.hidden) + (plan.mlp.gated ? 3 : 2) * MlpValues(plan);
  double most = static_cast<double>(rows) * seqlen * (of_pass + MeasuredBytes(run, plan) / value);
  double quantizers = 0;  // of stages before, bytes
  for (const StageRecipe& recipe : run.pipeline) {
    const auto stage = recipe.make();
    const GraphBytes besides = stage->KeptByGraph(plan);
    for (const TuneOptions* tune : stage->Tunings()) {
      const std::int64_t batch = std::min(run.calibration->samples, tune->batch);
      const std::int64_t part = (batch + tune->accumulate - 1) / tune->accumulate;
      const double tokens = static_cast<double>(part) * seqlen;
      const double in_unit = tune->unit_blocks == 0 ? 1 : blocks;
      const double of_blocks = tokens * (GraphValues(run, model, in_unit, value) +
                                         in_unit * (besides.a_token + quantizers) / value);
      const bool logits = tune->loss.make()->OfLogits();
      most = std::max(most, of_blocks + (logits ? LogitValues(model, tokens, value) : 0));
    }
    quantizers += besides.a_token_behind;
  }
  return most * value;
}

}  // namespace roundlab
