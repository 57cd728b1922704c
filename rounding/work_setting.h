#pragma once

#include <cstdint>
#include <functional>

#include "core/base/log.h"
#include "rounding/fisher.h"
#include "rounding/quant_options.h"
#include "rounding/stage.h"

namespace roundlab {

/// What a run's stages share.
struct WorkSetting {
  const QuantOptions* quant = nullptr;
  const RangeEstimator* range = nullptr;
  std::uint64_t seed = 0;
  StageNeeds needs;  ///< of all stages
  /// By layer; null where no stage needs it.
  const FisherDiagonal* fisher = nullptr;
  const ModelSource* source = nullptr;
  Log* log = nullptr;
  std::function<void()> on_step;  ///< after each step of a stage; may throw Interrupted
  bool spare_chain = false;       ///< PipelineInputs::spare_chain
};

}  // namespace roundlab
