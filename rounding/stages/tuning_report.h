#pragma once

#include <string>
#include <vector>

#include "rounding/tuner/tuner.h"
#include "rounding/unit_work.h"

namespace roundlab {

/// Records to the work's sink, and counts steps as the work's.
TunerHooks TuningHooks(UnitWork* work);

/// Names of the series that TuneUnit records for a unit: tune/<unit>/loss, lr, penalty, full_loss.
std::vector<std::string> TuningSeries(const std::string& unit);

/// Records units/<unit>/loss_before, loss_after, chosen_step, nan_events and start_kept (0 or 1),
/// and tells the log.
void TellTuning(const std::string& unit, const UnitResult& result, UnitWork* work);

/// Tunes `tuned` so that the work's unit, with what it puts into `slots`, keeps near its targets:
/// the steps of a stage that does not round. Recorded and told as unit <unit>_<stage>, whose name
/// its draws have, too.
void TuneStage(const std::string& stage, const std::vector<LinearSlot*>& slots,
               const TuneOptions& options, Tuned* tuned, UnitWork* work);

}  // namespace roundlab
