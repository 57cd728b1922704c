#include "rounding/stages/learned_quantizers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <string>
#include <utility>

namespace roundlab {
namespace {

constexpr double kLeastStepFactor = 1e-2;

/// t, with a gradient that is multiplied by `factor`.
at::Tensor WithGradient(const at::Tensor& t, double factor) {
  return t.detach() + (t - t.detach()) * factor;
}

}  // namespace

LearnOptions::LearnOptions() {
  tune.optimizer = Optimizers().FromText("type: adam\nlr: 0.03");
  tune.select = Select::kBestFull;
  tune.reaches_weights = false;
}

void LearnOptions::Fields(FieldVisitor& f) {
  f.Bool("step", &step, "train the scales");
  f.Bool("border", &border, "train, for each channel, what rounds up and what down (AQuant)");
  f.UsedIf(border, "without border", [this](FieldVisitor& borders) {
    borders.Real("border_lr_factor", &border_lr_factor, Above(0),
                 "learning rate of the borders, as a multiple of the scales'");
  });
  tune.Fields(f);
  f.Rule([this]() -> std::string {
    if (!step && !border) return "neither step nor border is trained";
    if (tune.unit_blocks == 0) {
      return "unit: linear is not for quantizers, which are trained by what a block puts out";
    }
    return tune.inputs == UnitInputs::kQuantized
               ? ""
               : "inputs: fp is not for quantizers, whose ranges are those of the quantized model";
  });
}

LearnedQuantizers::LearnedQuantizers(std::vector<Input> inputs, const LearnOptions& options)
    : inputs_(std::move(inputs)), border_lr_factor_(options.border_lr_factor), step_(options.step) {
  for (const Input& input : inputs_) {
    const at::Tensor& scale = input.start->scale;
    factors_.push_back(at::ones_like(scale).requires_grad_(step_));
    if (!options.border) continue;
    const std::int64_t channels = input.slots.front()->weight.size(1);
    borders_.push_back(at::zeros({3, channels}, scale.options()).requires_grad_(true));
  }
}

std::vector<ParameterGroup> LearnedQuantizers::Parameters() {
  std::vector<ParameterGroup> groups;
  if (step_ && !factors_.empty()) groups.push_back({"step", factors_, 1});
  if (!borders_.empty()) groups.push_back({"border", borders_, border_lr_factor_});
  return groups;
}

ActivationQuantizer LearnedQuantizers::Now(std::size_t input) const {
  ActivationQuantizer now = *inputs_[input].start;
  const auto channels = static_cast<double>(inputs_[input].slots.front()->weight.size(1));
  const double sharing = channels / static_cast<double>(now.scale.numel());
  const double factor = 1 / std::sqrt(sharing * now.spec.HighestCode());
  now.scale = now.scale * WithGradient(factors_[input], factor);
  if (!borders_.empty()) now.border = borders_[input];
  return now;
}

void LearnedQuantizers::Install(Hardness hardness) {
  const bool hard = hardness == Hardness::kHard;
  const at::AutoGradMode mode(!hard);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    ActivationQuantizer now = Now(i);
    if (hard) {  // later training must not move what is kept
      for (const ActivationQuantizer::Part& part : now.Parts()) {
        if (part.tensor->defined()) *part.tensor = part.tensor->detach().clone();
      }
    }
    const auto shared = std::make_shared<const ActivationQuantizer>(std::move(now));
    for (LinearSlot* slot : inputs_[i].slots) slot->quantizer = shared;
  }
}

bool LearnedQuantizers::Project(double /*progress*/) {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& factor : factors_) factor.clamp_min_(kLeastStepFactor);
  return false;
}

}  // namespace roundlab
