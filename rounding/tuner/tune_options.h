#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "core/config/fields.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"

namespace roundlab {

/// How the states of a unit's layers are tuned.
struct TuneOptions {
  OptimizerRecipe optimizer;
  ScheduleRecipe schedule;
  std::string loss = "mse";
  double trim = 0.001;
  std::int64_t unit_blocks = 1;  ///< 0 a linear layer
  std::int64_t steps = 200;
  std::int64_t batch = 8;
  std::int64_t accumulate = 1;
  double lr_times_steps = 0;
  double loss_scale = 1000;
  std::string sampler = "permutation";
  std::string inputs = "quantized";
  std::string select = "best_minibatch";
  std::int64_t check_every = 50;
  std::string on_nan = "stop";

  TuneOptions();
  void Fields(FieldVisitor& f);
};

/// outputs, targets: [rows, seq, features] -> scalar float32.
///   mse           mean of squared differences
///   sum_squares   their sum over features, mean over rows and positions (AdaRound)
///   trimmed_mse   sum without the floor(trim n) largest squares, over n (SignRound v2)
at::Tensor ReconstructionLoss(const at::Tensor& outputs, const at::Tensor& targets,
                              const TuneOptions& options);

}  // namespace roundlab
