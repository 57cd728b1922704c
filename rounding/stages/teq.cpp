#include "rounding/stages/teq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "core/config/enum_field.h"
#include "core/quant/quantized_weight.h"
#include "rounding/stages/tuning_report.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

constexpr double kLeastAlpha = 1e-5;

const EnumNames<TeqStart> kStarts = {{TeqStart::kOnes, "ones"}, {TeqStart::kWeights, "weights"}};

at::Tensor StartOf(const ScaleGroup& group, TeqStart start) {
  const at::Tensor& first = group.slots.front()->weight;
  if (start == TeqStart::kOnes) return at::ones({first.size(1)}, first.options());
  const at::Tensor largest = LargestByInput(Weights(group));
  return at::where(largest > 0, largest, 1).rsqrt();
}

}  // namespace

TrainedScales::TrainedScales(std::vector<ScaleGroup> groups, Specs specs, TeqStart start)
    : groups_(std::move(groups)), specs_(std::move(specs)) {
  for (const ScaleGroup& group : groups_) {
    alphas_.push_back(StartOf(group, start).requires_grad_());
  }
}

std::vector<ParameterGroup> TrainedScales::Parameters() {
  if (alphas_.empty()) return {};
  return {{"alpha", alphas_}};
}

void TrainedScales::Install(Hardness /*hardness*/) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const at::Tensor alpha = alphas_[g].clamp_min(kLeastAlpha);
    for (std::size_t i = 0; i < groups_[g].slots.size(); ++i) {
      LinearSlot* slot = groups_[g].slots[i];
      at::Tensor scaled = slot->weight * alpha;
      if (specs_[g][i]) {
        const at::Tensor rounded = RoundToNearest(scaled, *specs_[g][i]).Dequantize();
        scaled = rounded + (scaled - scaled.detach());
      }
      slot->effective = scaled / alpha;
    }
  }
}

at::Tensor TrainedScales::Scale(std::size_t group) const {
  return alphas_.at(group).detach().clamp_min(kLeastAlpha);
}

void TrainedScales::FoldAll() {
  const at::NoGradGuard no_grad;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    for (LinearSlot* slot : groups_[g].slots) slot->effective.reset();
    Fold(groups_[g], Scale(g));
  }
}

Teq::Options::Options() {
  tune.optimizer = Optimizers().FromText("type: adam\nlr: 0.001\nbeta1: 0.9\nbeta2: 0.9");
  tune.schedule = Schedules().FromText("type: linear\nwarmup: 0.05");
  tune.steps = 1000;
  tune.inputs = UnitInputs::kFp;
  tune.select = Select::kBestFull;
}

void Teq::Options::Fields(FieldVisitor& f) {
  tune.Fields(f);
  EnumField start_field(&start, kStarts);
  f.Value("start", start_field,
          "what scales start from: ones, or 1 / sqrt(max |w|) of each input channel");
  f.Rule([this]() -> std::string {
    return tune.unit_blocks == 0 ? "unit: linear is not for teq, whose scales several layers share"
                                 : "";
  });
}

StageNeeds Teq::Needs(const QuantOptions& /*quant*/) const {
  StageNeeds needs;
  needs.tokens = needs.original = needs.tunes = true;
  needs.seed = options_.tune.Draws();
  needs.quantized = options_.tune.inputs == UnitInputs::kQuantized;
  return needs;
}

std::vector<std::string> Teq::Series(const std::string& unit,
                                     const std::vector<std::string>& /*linears*/) const {
  return TuningSeries(unit + "_teq");
}

void Teq::Apply(UnitWork* work) const {
  std::vector<ScaleGroup> groups = FreeGroups(*work, NormGroups(work->unit()), "not scaled");
  TrainedScales::Specs specs;
  std::vector<LinearSlot*> slots;
  for (const ScaleGroup& group : groups) {
    specs.emplace_back();
    for (LinearSlot* slot : group.slots) {
      specs.back().push_back(work->Spec(*slot));
      slots.push_back(slot);
    }
  }
  if (groups.empty()) return work->Step(options_.tune.steps);
  TrainedScales scales(std::move(groups), std::move(specs), options_.start);
  TuneStage("teq", slots, options_.tune, &scales, work);
  scales.FoldAll();
}

}  // namespace roundlab
