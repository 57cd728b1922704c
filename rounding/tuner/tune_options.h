#pragma once

#include <cstdint>
#include <optional>

#include "core/config/enum_field.h"
#include "core/config/fields.h"
#include "core/kernels/linear.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "rounding/tuner/loss.h"

namespace roundlab {

/// Rows of each step's batch: the first of a fresh permutation each step (the paper), or epochs.
enum class SamplerKind { kPermutation, kCyclic, kInOrder };
/// What a unit is fed: outputs of the rounded units before it, or of the unrounded ones.
enum class UnitInputs { kQuantized, kFp };
/// Which state is kept: the one before the step of least batch loss (the paper), the last, or that
/// of least loss over all rows.
enum class Select { kBestMinibatch, kLast, kBestFull };
/// What follows a loss that is not finite.
enum class NanPolicy { kStop, kRollback, kRtn };

/// What is multiplied and added up at once: all that a step runs at a time, or each calibration
/// sequence by itself, so that codes are the same whatever parts a batch is run in.
enum class Sums { kBatch, kSequence };

/// How the states of a unit's layers are tuned.
struct TuneOptions {
  OptimizerRecipe optimizer;
  ScheduleRecipe schedule;
  LossRecipe loss;
  std::int64_t unit_blocks = 1;  ///< 0 a linear layer
  std::int64_t steps = 200;
  std::int64_t batch = 8;
  std::int64_t accumulate = 1;
  std::optional<Sums> sums;  ///< absent: kSequence in float32 on a CPU, where it costs little
  double lr_times_steps = 0;
  std::int64_t lr_doubled_from = 0;  ///< steps; of lr_times_steps, for 3 bits and fewer; 0: never
  double loss_scale = 1000;
  SamplerKind sampler = SamplerKind::kPermutation;
  UnitInputs inputs = UnitInputs::kQuantized;
  /// Absent: best_minibatch, and last for schemes that are soft while they are tuned, whose least
  /// loss is that of weights that are hardly rounded yet.
  std::optional<Select> select;
  std::int64_t check_every = 50;
  bool aug_loss = false;
  bool reaches_weights = true;  ///< not an option: what is tuned decides it
  /// Of the gradients to the weights; with sign_sgd only their signs matter.
  GradientPrecision gradient_precision = GradientPrecision::kProducts;
  NanPolicy on_nan = NanPolicy::kStop;
  /// A unit that tuning made worse over all rows goes back to its start. Costs a pass over the
  /// rows where its outputs overwrite its inputs.
  bool never_worse = true;
  /// Whether the state that tuning ends with may still be left for another.
  bool MayGoBack() const { return never_worse || on_nan != NanPolicy::kStop; }

  /// Whether the run's seed decides which rows a step takes.
  bool Draws() const { return steps > 0 && sampler != SamplerKind::kInOrder; }

  /// Whether `sums` are kSequence for products of this dtype on this device.
  bool SumsBySequence(c10::ScalarType products, const c10::Device& device) const;
  /// Whether a step is plain sign descent along one backward pass, so that this may take it.
  bool MayStepInBackward() const;
  /// States that are kept beside the one that is tuned: as it started, the best so far, the last
  /// known as good.
  double Copies() const;

  TuneOptions();
  void Fields(FieldVisitor& f);
};

/// As configs have them.
const EnumNames<GradientPrecision>& GradientPrecisionNames();

}  // namespace roundlab
