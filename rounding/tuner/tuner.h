#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/diverged.h"
#include "core/metrics/metric_sink.h"
#include "rounding/scheme.h"
#include "rounding/tuner/reconstruction.h"
#include "rounding/tuner/tune_options.h"
#include "rounding/tuner/tuned.h"
#include "rounding/tuner/unit_data.h"

namespace roundlab {

struct UnitResult {
  double loss_before = 0;              ///< over all rows, with the codes that tuning starts from
  double loss_after = 0;               ///< over all rows, with the codes chosen
  std::optional<double> loss_refused;  ///< of what was chosen, where the start was kept instead
  std::int64_t chosen_step = -1;       ///< the state before this step was kept; -1: the last state
  std::vector<std::string> events;     ///< what the NaN policy did, in words
  std::vector<QuantizedWeight> weights;  ///< in the order of `slots`
};

struct TunerHooks {
  MetricSink* sink = nullptr;     ///< gets tune/<unit>/loss, lr, penalty and full_loss
  std::function<void()> on_step;  ///< after each step; may throw Interrupted
  /// Where set, gives the rows of a step's batch (int64 [rows]) in place of options.sampler.
  std::function<at::Tensor(std::int64_t step)> rows;
  /// Where set, gets the unit's outputs with the codes chosen; may be UnitData::inputs, which is
  /// then overwritten row by row, in a pass of its own where the guard may go back to the start.
  HiddenStates outputs;
};

/// Tunes `tuned` so that the unit's outputs stay near the targets, and leaves the hard weights of
/// the state chosen installed. All draws come from `seed`: the same arguments and thread count give
/// the same weights. Throws Diverged where a loss is not finite and the policy is `stop`, and
/// whatever the policy where that of the state it starts from is not.
UnitResult TuneUnit(const Reconstruction& unit, const UnitData& data, Tuned* tuned,
                    const TuneOptions& options, std::uint64_t seed, const TunerHooks& hooks);

/// The same for the layers of a unit, one state each of unit.slots; gives UnitResult::weights.
UnitResult TuneUnit(const Reconstruction& unit, const UnitData& data,
                    const std::vector<std::unique_ptr<LayerRounding>>& layers,
                    const TuneOptions& options, std::uint64_t seed, const TunerHooks& hooks);

}  // namespace roundlab
