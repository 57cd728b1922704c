#include "experiments/cost/cost_model.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "core/base/error.h"
#include "core/base/folders.h"
#include "core/base/suggest.h"
#include "core/kernels/recurrence.h"
#include "rounding/diagnostics.h"
#include "rounding/stages/round.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

/// Weights of a block's linear layers that a token meets: of a mixture those of the experts it is
/// sent to.
double WeightsMet(const BlockPlan& block) {
  double met = 0;
  for (const LinearPlan& linear : block.linears) met += linear.Weights() * block.TokenShare(linear);
  return met;
}

/// What a token takes in a recurrence of so many heads, whose keys and values are so wide: its
/// products are small and float32. How far they are below the rate of plain ones, and what is read
/// beside them, is fitted to runs (results/estimates.md).
Work OfRecurrence(std::int64_t heads, std::int64_t key, std::int64_t value, bool delta) {
  constexpr auto kChunk = static_cast<double>(kRecurrenceChunk);
  const auto k = static_cast<double>(key);
  const auto v = static_cast<double>(value);
  const double products =
      delta ? 2 * kChunk * (k + v) + kChunk * kChunk + 3 * k * v : kChunk * (k + v) + 2 * k * v;
  Work work;
  work.flops = (delta ? 1.5 : 3) * 2 * static_cast<double>(heads) * products;
  work.values = (delta ? 7 : 10) * static_cast<double>(heads) * (kChunk + k + v);
  return work;
}

/// What a token of a sequence of `seqlen` takes to be mixed with those before it.
Work Mixing(const BlockPlan& block, double seqlen) {
  // Softmax attention reaches about half the rate of plain products (results/evaluation.md).
  constexpr double kAttentionCost = 2;
  const auto width = static_cast<double>(block.attention.heads * block.attention.head_dim);
  Work work;
  if (block.HasAttention()) {
    work.flops = kAttentionCost * 4 * width * seqlen / 2;
    work.values = 6 * width;
  }
  if (!block.mixer) return work;
  if (const auto& rule = block.mixer->delta) {
    work += OfRecurrence(rule->value_heads, rule->key_dim, rule->value_dim, true);
  } else if (const auto& space = block.mixer->state_space) {
    work += OfRecurrence(space->heads, space->state, space->head_dim, false);
  }
  return work;
}

/// On average over blocks.
Work OfBlocks(const ModelDescription& m, const std::function<Work(const BlockPlan&)>& of) {
  Work sum;
  for (std::int64_t i = 0; i < m.layers; ++i) sum += of(m.Plan(i));
  return 1.0 / static_cast<double>(m.layers) * sum;
}

/// One block's forward pass over `tokens` tokens in sequences of `seqlen`.
Work ForwardBlock(const ModelDescription& m, double tokens, double seqlen) {
  Work work = tokens * OfBlocks(m, [&](const BlockPlan& block) {
                Work token = Mixing(block, seqlen);
                token.flops += 2 * WeightsMet(block);
                return token;
              });
  work.values += tokens * static_cast<double>(14 * m.hidden + 5 * m.intermediate);
  work.ops = 40;
  return work;
}

/// A block's linear layers by themselves.
Work ForwardLinears(const ModelDescription& m, double tokens) {
  Work work = tokens * OfBlocks(m, [](const BlockPlan& block) {
                return Work{.flops = 2 * WeightsMet(block)};
              });
  work.values = tokens * static_cast<double>(7 * m.hidden + 4 * m.intermediate);
  work.ops = 7;
  return work;
}

/// What an optimizer step does beside the products, on a block: a weight is read with its
/// offset, rounded, and the other way round; then the offset moves.
Work MoveWeights(const ModelDescription& m) {
  Work work;
  work.values = 12 * BlockWeights(m);
  work.ops = 120;
  return work;
}

/// A step of each linear layer on its own: no gradient to its inputs.
Work LinearSteps(const ModelDescription& m, double tokens) {
  return 2 * ForwardLinears(m, tokens) + MoveWeights(m);
}

/// All blocks and the head.
Work ForwardModel(const ModelDescription& m, double tokens, double seqlen) {
  Work work = static_cast<double>(m.layers) * ForwardBlock(m, tokens, seqlen);
  work.flops += 2 * static_cast<double>(m.hidden * m.vocab) * tokens;
  work.values += 2 * static_cast<double>(m.vocab) * tokens;
  return work;
}

/// A forward and a backward pass of the whole model.
Work ModelGradients(const ModelDescription& m, double tokens, double seqlen) {
  return 3 * ForwardModel(m, tokens, seqlen);
}

/// Scores of layers for quant.budget, see SpendBudget: each choice rounds all weights, delta_loss
/// has its gradients each time, and second moments cost about a pass more.
Work BudgetWork(const RunConfig& run, const ModelDescription& m) {
  if (!run.quant->budget) return {};
  const BitBudget& budget = *run.quant->budget;
  const std::int64_t all = run.calibration->samples;
  const std::int64_t rows = budget.sequences > 0 ? std::min(budget.sequences, all) : all;
  const auto seqlen = static_cast<double>(run.calibration->seqlen);
  const double tokens = static_cast<double>(rows) * seqlen;
  const auto choices = static_cast<double>(budget.choices.size());
  const auto layers = static_cast<double>(m.layers);
  Work rounded;
  rounded.values = choices * layers * 20 * BlockWeights(m);
  rounded.ops = choices * layers * 100;
  switch (budget.score) {
    case BudgetScore::kDeltaLoss:
      return choices * ModelGradients(m, tokens, seqlen) + rounded;
    case BudgetScore::kFisher:
      return ModelGradients(m, tokens, seqlen) + rounded;
    case BudgetScore::kOutputSnr:
      break;
  }
  return 2 * layers * ForwardBlock(m, tokens, seqlen) + rounded;
}

/// A rotation that is learned (LearnRotation): each step turns all weights, and has the gradient of
/// that; before and after, the loss of all rows.
Work RotationWork(const RunConfig& run, const ModelDescription& m) {
  if (!run.LearnsRotation()) return {};
  const RotationLearning& learn = *run.model.rotate->learn;
  const auto seqlen = static_cast<double>(run.calibration->seqlen);
  const double all = static_cast<double>(run.calibration->samples) * seqlen;
  const double tokens = static_cast<double>(learn.batch) * seqlen;
  const auto weights = static_cast<double>(m.LinearWeights());
  Work turning;
  turning.flops = 2 * 2 * weights * static_cast<double>(m.hidden);
  turning.values = 6 * weights;
  return static_cast<double>(learn.steps) * (ModelGradients(m, tokens, seqlen) + turning) +
         2 * ForwardModel(m, all, seqlen);
}

/// Sums over the inputs of a block's layers, for the statistics that stages ask for.
Work StatisticsWork(const StatisticsKinds& kinds, const BlockPlan& block, const QuantOptions& quant,
                    double tokens) {
  std::map<std::size_t, const LinearPlan*> fed;  // one by each tensor that is measured
  for (const LinearPlan& linear : block.linears) {
    if (quant.For(linear.name)) fed[linear.input] = &linear;
  }
  Work work;
  for (const auto& [input, linear] : fed) {
    const auto width = static_cast<double>(linear->in);
    const double seen = tokens * block.TokenShare(*linear);
    if (kinds.second_moment) work.flops += seen * width * width;
    if (kinds.cross_moment) work.flops += 2 * seen * width * width;
    if (kinds.Channels()) work.values += 6 * seen * width;
    work.ops += 10;
  }
  return work;
}

/// What stages do by themselves: solvers, searches of ranges, statistics; and the gradients of the
/// whole model where weights are judged by them.
Work SolveWork(const RunConfig& run, const ModelDescription& m) {
  const StageNeeds needs = run.Needs();
  const std::int64_t samples = needs.tokens ? run.calibration->samples : 0;
  const std::int64_t seqlen = needs.tokens ? run.calibration->seqlen : 0;
  const double tokens = static_cast<double>(samples) * static_cast<double>(seqlen);
  Work sum;
  if (needs.fisher) sum += ModelGradients(m, tokens, static_cast<double>(seqlen));
  for (std::int64_t i = 0; i < m.layers; ++i) {
    const BlockPlan block = m.Plan(i);
    for (const StageRecipe& recipe : run.pipeline) {
      sum += recipe.make()->WorkOn(block, *run.quant, samples, seqlen);
    }
    sum += StatisticsWork(needs.of_original, block, *run.quant, tokens);
    sum += StatisticsWork(needs.of_quantized, block, *run.quant, tokens);
  }
  return sum;
}

Work TuneWork(const RunConfig& run, const ModelDescription& m) {
  if (run.pipeline.empty()) return {};
  const auto layers = static_cast<double>(m.layers);
  const StageNeeds needs = run.Needs();
  // Read, its range found, rounded twice, compared, hashed, kept: measured with RTN on SmolLM2.
  Work once;
  once.values = layers * 120 * BlockWeights(m);
  once.ops = layers * 400;
  if (!needs.tokens) return once;
  once = once + BudgetWork(run, m);
  const auto seqlen = static_cast<double>(run.calibration->seqlen);
  const auto samples = static_cast<double>(run.calibration->samples);
  const auto batch = static_cast<double>(StepRows(run));
  const Work pass = samples / batch * ForwardBlock(m, batch * seqlen, seqlen);
  if (!needs.tunes) {
    // Inputs are measured by a pass, and either chain moves on by one.
    const double chains = (needs.original ? 1 : 0) + (needs.quantized ? 1 : 0);
    return layers * (chains > 0 ? 1 + chains : 0) * pass + once;
  }
  Work sum = once;
  for (const TuneOptions& tune : TuningOf(run)) {
    const auto steps = static_cast<double>(tune.steps);
    if (tune.unit_blocks == 0) {
      // Each of the seven layers: inputs of both chains are captured by a pass each, then it runs
      // alone.
      const Work alone = samples / batch * ForwardLinears(m, batch * seqlen);
      const Work steps_alone = steps * LinearSteps(m, batch * seqlen);
      sum = sum + layers * (steps_alone + 16 * pass + 3 * alone);
      continue;
    }
    constexpr double kPasses = 3;  // targets, the loss before, and after with the outputs
    const Work step = StepWork(m, batch * seqlen, seqlen);
    const double described = std::min(samples, static_cast<double>(kSampleRows)) * seqlen;
    sum = sum + layers * (steps * step + kPasses * pass + 3 * ForwardBlock(m, described, seqlen));
  }
  return sum;
}

Work EvaluateWork(const ModelDescription& m, double tokens) {
  constexpr double kRows = 2048;  // tokens a forward pass takes
  return tokens / kRows * ForwardModel(m, kRows, kRows);
}

}  // namespace

void Hardware::Fields(FieldVisitor& f) {
  f.Real("flops", &flops, Above(0), "matrix products, FLOP/s", Presence::kRequired);
  f.Real("attainable", &attainable, Between(0.01, 1), "share of it that is reached");
  f.Real("bandwidth", &bandwidth, Above(0), "of memory, bytes/s", Presence::kRequired);
  f.Real("seconds_per_op", &seconds_per_op, AtLeast(0), "start of one operation");
  f.Real("memory_gib", &memory_gib, AtLeast(0), "memory; 0: not known");
  f.Real("bytes_per_value", &bytes_per_value, Above(0), "of weights and activations");
  f.Bool("gpu", &gpu, "its memory is that of a GPU");
}

Hardware LoadHardware(const std::string& name) {
  const bool path = name.find('/') != std::string::npos || name.find(".yaml") != std::string::npos;
  const std::string folder = ConfigFolder() + "/hardware";
  const std::string file = path ? name : folder + "/" + name + ".yaml";
  if (!path && !fs::exists(file)) {
    std::vector<std::string> known;
    for (const auto& entry : fs::directory_iterator(folder)) {
      known.push_back(entry.path().stem().string());
    }
    throw Error("unknown hardware '" + name + "'" + SuggestionSuffix(name, known));
  }
  Hardware hardware;
  std::vector<Diagnostic> diagnostics;
  ReadFields(LoadYaml(file), "", FieldsOf(&hardware), &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return hardware;
}

RunCost CostOf(const RunConfig& run, const ModelDescription& model, std::int64_t eval_tokens) {
  RunCost cost;
  cost.tune = TuneWork(run, model) + RotationWork(run, model);
  if (!run.pipeline.empty()) cost.solve = SolveWork(run, model);
  cost.evaluate = EvaluateWork(model, static_cast<double>(eval_tokens));
  const double stages = (run.pipeline.empty() ? 0 : 1) + (run.eval.empty() ? 0 : 1);
  cost.load_bytes = stages * 4 * static_cast<double>(model.TotalWeights());
  return cost;
}

bool RoundingTunes(const RunConfig& run) {
  const auto round = RoundOptionsOf(run.pipeline);
  return round && round->scheme.make()->Traits().tunable;
}

Work StepWork(const ModelDescription& m, double tokens, double seqlen) {
  return 3 * ForwardBlock(m, tokens, seqlen) + MoveWeights(m);
}

double Seconds(const Work& work, const Hardware& hardware) {
  return work.flops / (hardware.flops * hardware.attainable) +
         work.values * hardware.bytes_per_value / hardware.bandwidth +
         work.ops * hardware.seconds_per_op;
}

double Seconds(const RunCost& cost, const Hardware& hardware) {
  constexpr double kStart = 0.5;     // of the process, seconds
  constexpr double kLoadRate = 1e9;  // of the checkpoint, bytes/s
  return hardware.tune_factor * Seconds(cost.tune, hardware) + Seconds(cost.solve, hardware) +
         Seconds(cost.evaluate, hardware) + cost.load_bytes / kLoadRate + kStart;
}

}  // namespace roundlab
