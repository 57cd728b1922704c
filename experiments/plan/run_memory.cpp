#include "experiments/plan/run_memory.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/kernels/token_nll.h"
#include "eval/original_states.h"
#include "eval/scorer.h"
#include "experiments/plan/tuning_memory.h"
#include "rounding/stages/round.h"

namespace roundlab {
namespace {

constexpr double kFloat = 4;  // bytes

double Product(std::int64_t a, std::int64_t b) { return static_cast<double>(a * b); }

/// Chains that there are at a time: both, targets beside the inputs where those are read too, and
/// the targets that aug_loss adds.
double ChainCount(const RunConfig& run) {
  const StageNeeds needs = run.Needs();
  double count = (needs.original ? 1 : 0) + (needs.quantized ? 1 : 0);
  bool beside = needs.watches;
  bool augmented = false;
  for (const StageRecipe& recipe : run.pipeline) {
    const auto stage = recipe.make();
    for (const TuneOptions* tune : stage->Tunings()) {
      if (tune->unit_blocks == 0) continue;
      beside = beside || stage->Kind() == StageKind::kTransform || tune->inputs == UnitInputs::kFp;
      augmented = augmented || tune->aug_loss;
    }
  }
  const auto round = RoundOptionsOf(run.pipeline);
  return count + (beside || (round && round->start) ? 1 : 0) + (augmented ? 1 : 0);
}

/// What a stage keeps of layers' inputs over all samples. Layer by layer each linear is tuned on
/// its own inputs and targets: those of the widest layer (of a 7B model, down_proj: over 100 GB).
double CapturedBytes(const RunConfig& run, const ModelDescription& m, const BlockPlan& plan,
                     double value) {
  double most = 0;
  for (const StageRecipe& recipe : run.pipeline) {
    const std::int64_t values =
        recipe.make()->CapturedValues(plan, m.hidden, run.calibration->samples);
    most = std::max(most, Product(values, run.calibration->seqlen) * value);
  }
  for (const TuneOptions& tune : TuningOf(run)) {
    if (tune.unit_blocks != 0) continue;
    const double tokens = Product(run.calibration->samples, run.calibration->seqlen);
    const double chains = tune.inputs == UnitInputs::kQuantized ? 2 : 1;
    double widest = 0;
    for (const LinearPlan& linear : plan.linears) {
      widest = std::max(widest,
                        chains * static_cast<double>(linear.in) + static_cast<double>(linear.out));
    }
    most = std::max(most, tokens * widest * value);
  }
  return most;
}

/// Sums of products of the inputs of a unit's layers, of each that is fed to some.
double StatisticsBytes(const RunConfig& run, const BlockPlan& plan, double blocks) {
  const StageNeeds needs = run.Needs();
  std::vector<double> widths(plan.InputCount(), 0);
  for (const LinearPlan& linear : plan.linears) {
    widths[linear.input] = static_cast<double>(linear.in);
  }
  double bytes = 0;
  for (const StatisticsKinds& kinds : {needs.of_original, needs.of_quantized}) {
    const double sums = (kinds.second_moment ? 1 : 0) + (kinds.cross_moment ? 1 : 0);
    for (const double width : widths) {
      bytes += blocks * sums * width * width * (kinds.in_double ? 2 : 1) * kFloat;
    }
  }
  return bytes;
}

/// Numbers of embeddings and head.
double EndValues(const ModelDescription& m) {
  return Product(m.vocab, m.hidden) * (m.tied_head ? 1 : 2);
}

/// What the backward pass of the whole model in float32 needs besides its linear weights: ends,
/// what each block keeps, and logits with their logarithms and gradients.
double WholePassValues(const RunConfig& run, const ModelDescription& m, double tokens) {
  const auto layers = static_cast<double>(m.layers);
  return EndValues(m) +
         tokens * (GraphValues(run, m, layers, kFloat) + 4 * static_cast<double>(m.vocab));
}

/// Of the logits that evaluation makes at a time.
double LogitBytes(const RunConfig& run, const ModelDescription& m, std::int64_t tokens) {
  constexpr double kOnProcessor = 64.0 * 1024 * 1024;
  if (!run.compute.OnGpu()) return kOnProcessor;
  const double most = kFloat * static_cast<double>(kDeviceLogits);
  return tokens > 0 ? std::min(most, kFloat * Product(tokens, m.vocab)) : most;
}

/// A rotation is learned on the whole model in float32: its weights as loaded and as turned, what
/// its backward pass needs of all blocks, and logits with their logarithms and gradients.
double RotationBytes(const RunConfig& run, const ModelDescription& m) {
  const double tokens = Product(run.model.rotate->learn->batch, run.calibration->seqlen);
  return kFloat * (2 * static_cast<double>(m.LinearWeights()) + WholePassValues(run, m, tokens));
}

/// Gradients of the model's loss, a sequence at a time (VisitGradients): weights as loaded, those
/// that it runs with, their gradients, and the Fisher information or the rounded ones. They are
/// taken on the processor.
double GradientBytes(const RunConfig& run, const ModelDescription& m) {
  if (run.compute.OnGpu()) return 0;
  const bool spends = run.quant->budget && run.quant->budget->score != BudgetScore::kOutputSnr;
  if (!spends && !run.Needs().fisher) return 0;
  const auto tokens = static_cast<double>(run.calibration->seqlen);
  return kFloat * (4 * static_cast<double>(m.LinearWeights()) + WholePassValues(run, m, tokens));
}

/// Of the device that computes, without chains and evaluation.
double Rounding(const RunMemory& m, const MemoryRoom& room) {
  return m.Unit() + (room.gpu ? 0 : m.program + m.ends + m.codes + m.ahead);
}

/// Of the chains, with what computes.
double ChainBytes(const RunMemory& m, const MemoryRoom& room) {
  const ChainsPlaced chains = PlaceChains(m, room);
  if (chains.place != ChainPlace::kDevice) return m.coming;
  return m.Chains() + (chains.spare ? m.spare : 0);
}

/// Values that a tuned micro-batch, or a pass, reads of all chains.
double BatchValues(const RunConfig& run, const ModelDescription& m) {
  double rows = static_cast<double>(kRowsOfAPass);
  for (const TuneOptions& tune : TuningOf(run)) {
    const std::int64_t part = (tune.batch + tune.accumulate - 1) / tune.accumulate;
    rows = std::max(rows, (tune.aug_loss ? 3.0 : 2.0) * static_cast<double>(part));
  }
  return rows * Product(run.calibration->seqlen, m.hidden);
}

/// Whether a stage tunes units of blocks last and may go back to their start: see TuneUnit.
bool TakesSpare(const RunConfig& run) {
  const auto round = RoundOptionsOf({run.pipeline.back()});
  if (!round || round->tune.unit_blocks == 0) return false;
  return !run.pipeline.back().make()->Tunings().empty() &&
         round->tune.inputs == UnitInputs::kQuantized && round->tune.MayGoBack();
}

/// Of a model that is evaluated block by block: StreamScorer takes as many states at a time as fit
/// into half of what is left, and passes over the blocks again for the rest.
double StreamedBytes(const RunMemory& memory, const MemoryRoom& room) {
  const double left = room.bytes - memory.streamed - memory.read;
  const double most = std::max(left / 2, static_cast<double>(StreamScorer::Options().bytes));
  return memory.streamed + std::min(memory.states, most);
}

/// The original beside a model in memory as a whole.
double WholeBytes(const RunMemory& memory) {
  if (memory.compared == 0) return memory.evaluated;
  const auto beside = static_cast<double>(StatesBesideModel(std::llround(memory.evaluated)));
  return memory.evaluated + memory.compared + std::min(memory.states / 2, beside);
}

/// The states of the original that are held and written, on the processor.
double PortionBytes(const RunMemory& memory) {
  if (memory.compared == 0) return 0;
  return 2 * std::min(memory.states / 2, static_cast<double>(OriginalStates::kPortionBytes));
}

/// Blocks differ: some have experts, or are one branch alone. Memory must do for the largest.
BlockPlan HeaviestBlock(const ModelDescription& model) {
  BlockPlan heaviest = model.Plan(0);
  for (std::int64_t i = 1; i < model.layers; ++i) {
    BlockPlan plan = model.Plan(i);
    if (plan.LinearWeights() > heaviest.LinearWeights()) heaviest = std::move(plan);
  }
  return heaviest;
}

}  // namespace

std::string PlaceText(ChainPlace place, const at::Device& device) {
  if (place == ChainPlace::kFile) return "in a file";
  if (device.is_cpu()) return "in memory";
  return place == ChainPlace::kHost ? "in pinned memory" : "on " + device.str();
}

std::vector<TuneOptions> TuningOf(const RunConfig& run) {
  std::vector<TuneOptions> all;
  for (const StageRecipe& recipe : run.pipeline) {
    const auto stage = recipe.make();
    for (const TuneOptions* tune : stage->Tunings()) all.push_back(*tune);
  }
  return all;
}

std::int64_t StepRows(const RunConfig& run) {
  std::int64_t batch = 0;
  for (const TuneOptions& tune : TuningOf(run)) batch = std::max(batch, tune.batch);
  return std::min(run.calibration->samples, batch > 0 ? batch : kRowsOfAPass);
}

double BlockWeights(const ModelDescription& model) {
  return static_cast<double>(model.LinearWeights()) / static_cast<double>(model.layers);
}

double EndBytes(const ModelDescription& model, double value, bool gpu) {
  const double loaded = kFloat * static_cast<double>(model.TotalWeights() - model.LinearWeights());
  if (!gpu || value == kFloat) return loaded;
  const double head = Product(model.vocab, model.hidden);  // in 16 bits, beside the embedding
  return loaded + head * (model.tied_head ? value : value - kFloat);
}

double BytesInMemory(const ModelDescription& model, double value, bool gpu) {
  return EndBytes(model, value, gpu) + value * static_cast<double>(model.LinearWeights());
}

RunMemory RunMemoryOf(const RunConfig& run, const ModelDescription& model, double bytes_per_value,
                      std::int64_t eval_tokens) {
  RunMemory memory;
  const double value = bytes_per_value;
  const auto linear = static_cast<double>(model.LinearWeights());
  const BlockPlan heaviest = HeaviestBlock(model);
  const double block = heaviest.LinearWeights();
  memory.program = 0.25 * kGib;
  // Each number of rows has its product of 16 bits in libtorch's cache (oneDNN's, of 1024).
  const bool rows_vary = heaviest.mlp.experts && value < kFloat && !run.compute.OnGpu();
  if (rows_vary) memory.program += 0.27 * kGib;
  if (!run.eval.empty()) {
    const double logits = LogitBytes(run, model, eval_tokens);
    memory.evaluated = logits + BytesInMemory(model, value, run.compute.OnGpu());
    memory.read = kFloat * block;
    memory.streamed = logits + EndBytes(model, value, run.compute.OnGpu()) + 2 * kFloat * block;
    memory.states = Product(eval_tokens, model.hidden) * value;
    const bool compares = std::any_of(run.eval.begin(), run.eval.end(),
                                      [](const auto& recipe) { return recipe.make()->Compares(); });
    if (compares) memory.compared = 2 * kFloat * block;
  }
  if (run.LearnsRotation()) memory.before = RotationBytes(run, model);
  if (run.pipeline.empty()) return memory;
  std::int64_t most = 1;
  for (const StageRecipe& recipe : run.pipeline) {
    const auto stage = recipe.make();
    most = std::max(most, stage->UnitBlocks());
    memory.solving = std::max(memory.solving, stage->WorkingBytes(heaviest));
  }
  const auto blocks = static_cast<double>(std::min(most, model.layers));
  const double weights = std::min(blocks * block, linear);
  memory.codes = linear;
  memory.ahead =
      blocks < static_cast<double>(model.layers) ? kFloat * blocks * BlockWeights(model) : 0;
  memory.weights = 2 * kFloat * weights;
  memory.describing = 3 * kFloat * heaviest.LargestLinear();  // it, rounded to nearest, its error
  if (!run.Needs().tokens) return memory;
  memory.before = std::max(memory.before, GradientBytes(run, model));
  memory.ends = EndBytes(model, value, false);
  if (!TuningOf(run).empty()) memory.weights = 0;
  const std::int64_t pass = std::max(StepRows(run), kRowsOfAPass);
  memory.activations =
      ActivationBytes(run, model, std::min(run.calibration->samples, pass), blocks, value);
  const double tokens = Product(run.calibration->samples, run.calibration->seqlen);
  memory.chain = tokens * static_cast<double>(model.hidden) * value;
  memory.chains = ChainCount(run) * memory.chain;
  memory.coming = 2 * BatchValues(run, model) * value;
  if (TakesSpare(run)) memory.spare = memory.chain;
  memory.captured = CapturedBytes(run, model, heaviest, value);
  memory.statistics = StatisticsBytes(run, heaviest, blocks);
  for (const StageRecipe& recipe : run.pipeline) {
    const TuningMemory tuning = TuningMemoryOf(run, model, recipe, weights, value);
    memory.weights = std::max(memory.weights, tuning.weights);
    memory.gradients = std::max(memory.gradients, tuning.gradients);
    memory.learned = std::max(memory.learned, tuning.learned);
  }
  return memory;
}

ChainsPlaced PlaceChains(const RunMemory& memory, const MemoryRoom& room) {
  const double left = room.bytes - Rounding(memory, room) - memory.Chains();
  if (left >= 0) return {ChainPlace::kDevice, memory.spare > 0 && memory.spare <= left};
  if (!room.gpu) return {ChainPlace::kFile};
  // Pinned memory is handed out in powers of two: at most twice what is asked for.
  const double chain = std::exp2(std::ceil(std::log2(std::max(memory.chain, 1.0))));
  const double chains = memory.chains / std::max(memory.chain, 1.0) * chain;
  const double held =
      memory.program + memory.ends + memory.codes + 2 * memory.ahead + chains + 2 * memory.captured;
  if (held > room.machine) return {ChainPlace::kFile};
  return {ChainPlace::kHost, memory.spare > 0 && held + chain <= room.machine};
}

double PeakBytes(const RunMemory& memory, const MemoryRoom& room) {
  const double before = memory.before + (room.gpu ? 0 : memory.program);
  const double rounding = std::max(before, Rounding(memory, room) + ChainBytes(memory, room));
  if (room.gpu) {
    const bool whole = memory.evaluated <= room.bytes;
    return std::max(rounding, whole ? WholeBytes(memory) : StreamedBytes(memory, room));
  }
  const bool whole = rounding + memory.evaluated <= room.bytes;
  return std::max(rounding,
                  memory.program + memory.codes + PortionBytes(memory) +
                      (whole ? WholeBytes(memory) : StreamedBytes(memory, room) + memory.read));
}

std::int64_t StatesBesideModel(std::int64_t model_bytes) {
  return std::max(StreamScorer::Options().bytes, model_bytes / 8);
}

std::string UnitProblem(const RunMemory& memory, const MemoryRoom& room) {
  const double needed = Rounding(memory, room);
  if (needed <= room.bytes) return "";
  return "rounding a unit takes about " + GibText(needed) + " of memory" +
         (room.gpu ? " on the GPU" : "") + ", its hidden states not counted, and there are " +
         GibText(room.bytes) + ": set a larger compute.memory_limit" +
         ", a smaller batch or, with the same steps, a larger accumulate";
}

}  // namespace roundlab
