#include "rounding/stages/tuning_report.h"

#include <cstdio>

namespace roundlab {

TunerHooks TuningHooks(UnitWork* work) {
  TunerHooks hooks;
  hooks.sink = work->sink();
  hooks.on_step = [work] { work->Step(); };
  return hooks;
}

std::vector<std::string> TuningSeries(const std::string& unit) {
  const std::string prefix = "tune/" + unit + "/";
  return {prefix + "loss", prefix + "lr", prefix + "penalty", prefix + "full_loss"};
}

void TellTuning(const std::string& unit, const UnitResult& result, UnitWork* work) {
  const std::string prefix = "units/" + unit + "/";
  MetricSink* sink = work->sink();
  sink->Array(prefix + "loss_before", {1}, {result.loss_before});
  sink->Array(prefix + "loss_after", {1}, {result.loss_after});
  sink->Array(prefix + "chosen_step", {1}, {static_cast<double>(result.chosen_step)});
  sink->Array(prefix + "nan_events", {1}, {static_cast<double>(result.events.size())});
  sink->Array(prefix + "start_kept", {1}, {result.loss_refused ? 1.0 : 0.0});
  for (const std::string& event : result.events) work->log().Write(event);
  char text[96];
  std::snprintf(text, sizeof(text), ": loss %.6g -> %.6g%s", result.loss_before,
                result.loss_refused.value_or(result.loss_after),
                result.loss_refused ? ", start kept" : "");
  work->log().Write(unit + text);
}

void TuneStage(const std::string& stage, const std::vector<LinearSlot*>& slots,
               const TuneOptions& options, Tuned* tuned, UnitWork* work) {
  const Unit& unit = work->unit();
  const std::string name = unit.name() + "_" + stage;
  const Reconstruction reconstructed{name, slots,
                                     [&](const at::Tensor& x) { return unit.Forward(x); }};
  UnitData data;
  data.targets = work->Targets(/*keep_inputs=*/true);
  data.inputs =
      work->Inputs(options.inputs == UnitInputs::kQuantized ? Chain::kQuantized : Chain::kOriginal);
  if (options.aug_loss) data.also = work->TargetsOfQuantized();
  TellTuning(
      name,
      TuneUnit(reconstructed, data, tuned, options, work->Seed("tune/" + name), TuningHooks(work)),
      work);
}

}  // namespace roundlab
