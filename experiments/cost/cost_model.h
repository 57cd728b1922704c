#pragma once

#include <cstdint>
#include <string>

#include "core/config/fields.h"
#include "core/model/description.h"
#include "experiments/plan/run_config.h"
#include "experiments/plan/run_memory.h"
#include "rounding/work.h"

namespace roundlab {

/// A machine in figures: configs/hardware/NAME.yaml, or the one at hand (machine_probe.h).
struct Hardware {
  double flops = 0;            ///< matrix products, FLOP/s
  double attainable = 1;       ///< share of it that a transformer's products reach
  double bandwidth = 0;        ///< of memory, bytes/s
  double seconds_per_op = 0;   ///< start of one operation
  double memory_gib = 0;       ///< 0: not known
  double bytes_per_value = 4;  ///< of weights and activations in the compute dtype
  bool gpu = false;            ///< its memory is that of a GPU
  double tune_factor = 1;      ///< of a tuning step: seconds measured / computed, see ProbeMachine
  void Fields(FieldVisitor& f);
};

/// Reads configs/hardware/NAME.yaml or a file of the user's. Throws Error for an unknown name with
/// the nearest, ConfigError for a bad file.
Hardware LoadHardware(const std::string& name);

struct RunCost {
  Work tune;
  Work solve;  ///< by stages themselves, see Stage::WorkOn
  Work evaluate;
  double load_bytes = 0;  ///< of the checkpoint's weights, once a stage
};

/// Work of a run. With P linear weights a block, T tokens and mean context S / 2 a forward pass is
/// 2 P T + 4 heads head_dim (S / 2) T FLOP; a tuning step three of them (forward, gradients of
/// weights and of activations); beside the steps a block is run three times over all samples, for
/// the targets, the loss before, and the loss after with the outputs that feed the next block, and
/// three times over kSampleRows of them for the layers' errors. Layer by layer a step runs the
/// layer alone, and the block is run 16 times: twice a layer for its inputs, and for the next
/// block. Evaluation: a forward pass over `eval_tokens` and the head.
RunCost CostOf(const RunConfig& run, const ModelDescription& model, std::int64_t eval_tokens);

/// Whether the round stage takes optimizer steps: those that a machine is probed with.
bool RoundingTunes(const RunConfig& run);

/// One optimizer step on a block, over `tokens` tokens in sequences of `seqlen`.
Work StepWork(const ModelDescription& model, double tokens, double seqlen);

/// flops / (rate * attainable) + bytes / bandwidth + ops * seconds_per_op.
double Seconds(const Work& work, const Hardware& hardware);
double Seconds(const RunCost& cost, const Hardware& hardware);

}  // namespace roundlab
