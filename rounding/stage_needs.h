#pragma once

#include "rounding/statistics.h"

namespace roundlab {

/// What a stage needs of a run. The pipeline serves the union of all stages' needs.
struct StageNeeds {
  bool tokens = false;           ///< calibration sequences
  bool original = false;         ///< the chain of hidden states of the unquantized model
  bool quantized = false;        ///< that of what is quantized so far
  bool watches = false;          ///< calls UnitWork::WatchOriginal
  bool seed = false;             ///< the run's seed makes a difference
  bool tunes = false;            ///< takes optimizer steps
  bool fisher = false;           ///< the model's diagonal Fisher information, before any stage
  StatisticsKinds of_original;   ///< of layers' inputs in the unquantized model
  StatisticsKinds of_quantized;  ///< behind what is quantized so far

  StageNeeds operator|(const StageNeeds& other) const;
};

}  // namespace roundlab
