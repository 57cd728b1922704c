#include "rounding/schemes/oscillation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <limits>

#include "core/config/enum_field.h"

namespace roundlab {
namespace {

const EnumNames<DampenReduction> kReductionNames = {{DampenReduction::kKernelMean, "kernel_mean"},
                                                    {DampenReduction::kMean, "mean"},
                                                    {DampenReduction::kSum, "sum"}};

constexpr double kNoneYet = std::numeric_limits<double>::quiet_NaN();

/// Puts `codes` where `memory` has none yet.
void Begin(const at::Tensor& codes, at::Tensor* memory) {
  memory->copy_(at::where(memory->isnan(), codes, *memory));
}

/// 1 at `start`, 0 at the end, along half a cosine wave.
double CosineLeft(double progress, double start) {
  return 0.5 * (1 + std::cos((progress - start) / (1 - start) * M_PI));
}

}  // namespace

void OscillationOptions::Fields(FieldVisitor& f) {
  f.Real("momentum", &momentum, Between(0, 1), "share of a step in the frequency of oscillation");
  f.Real("freeze", &freeze, AtLeast(0),
         "frequency above which a weight is frozen, at first; 0: none is (the paper: 0.1)");
  f.UsedIf(freeze > 0, "without freeze", [this](FieldVisitor& freezing) {
    freezing.Real("freeze_end", &freeze_end, AtLeast(0), "the same at the last step");
    freezing.Bool("freeze_at_average", &freeze_at_average,
                  "freeze at the rounded average of a weight's codes; false: at its code");
  });
  f.Real(
      "dampen", &dampen, AtLeast(0),
      "weight of the distance between learned and rounded weights in the loss, at the last step; "
      "0: none (the paper: 0.1)");
  f.UsedIf(dampen > 0, "without dampen", [this](FieldVisitor& dampening) {
    EnumField reduction_field(&dampen_reduction, kReductionNames);
    dampening.Value("dampen_reduction", reduction_field,
                    "kernel_mean: summed over outputs, mean over inputs");
  });
  f.Real("start", &start, Between(0, 0.99), "part of the steps before any of it");
}

double OscillationOptions::FreezeThreshold(double progress) const {
  if (freeze == 0 || progress < start) return 0;
  return freeze_end + (freeze - freeze_end) * CosineLeft(progress, start);
}

double OscillationOptions::DampenWeight(double progress) const {
  if (dampen == 0 || progress < start) return 0;
  return dampen * (1 - CosineLeft(progress, start));
}

OscillationTracker::OscillationTracker(const OscillationOptions& options, const at::Tensor& like)
    : momentum_(options.momentum), at_average_(options.freeze_at_average) {
  const at::Tensor zeros = at::zeros_like(like.detach(), at::kFloat);
  previous_ = at::full_like(zeros, kNoneYet);
  direction_ = zeros.clone();
  frequency_ = zeros.clone();
  average_ = previous_.clone();
  fixed_ = zeros.clone();
  frozen_ = at::zeros_like(zeros, at::kBool);
  oscillated_ = at::zeros_like(zeros, at::kBool);
}

at::Tensor OscillationTracker::Fix(const at::Tensor& codes) const {
  return at::where(frozen_, fixed_, codes);
}

void OscillationTracker::Track(const at::Tensor& codes, double threshold) {
  const at::NoGradGuard no_grad;
  Begin(codes, &previous_);
  const at::Tensor move = (codes - previous_).sign();
  oscillated_.copy_(direction_ * move == -1);
  frequency_.copy_(oscillated_.to(at::kFloat) * momentum_ + frequency_ * (1 - momentum_));
  direction_.copy_(at::where(move != 0, move, direction_));
  previous_.copy_(codes);
  if (!(threshold > 0)) return;
  Begin(codes, &average_);
  const at::Tensor above = frequency_ > threshold;
  frozen_.logical_or_(above);
  fixed_.copy_(at::where(above, at_average_ ? average_.round() : codes, fixed_));
  average_.copy_(codes * momentum_ + average_ * (1 - momentum_));
}

std::vector<at::Tensor> OscillationTracker::State() const {
  return {previous_, direction_, frequency_, average_, frozen_, fixed_, oscillated_};
}

at::Tensor DampeningLoss(const at::Tensor& latent, const at::Tensor& rounded,
                         DampenReduction reduction) {
  const at::Tensor squared = (rounded.detach() - latent).square();
  if (reduction == DampenReduction::kSum) return squared.sum();
  return reduction == DampenReduction::kMean ? squared.mean() : squared.sum(0).mean();
}

}  // namespace roundlab
