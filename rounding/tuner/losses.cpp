#include "rounding/tuner/losses.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/kernels/ops.h"

namespace roundlab {
namespace {

at::Tensor Squares(const at::Tensor& outputs, const at::Tensor& targets,
                   const at::Tensor& mask = {}) {
  const at::Tensor squares = (outputs.to(at::kFloat) - targets.to(at::kFloat)).square();
  return mask.defined() ? squares * mask.unsqueeze(-1) : squares;
}

at::Tensor MeanOfSquares(const at::Tensor& outputs, const at::Tensor& targets,
                         const at::Tensor& mask) {
  if (mask.defined()) return Squares(outputs, targets, mask).mean();
  return MeanSquaredError(outputs, targets);
}

}  // namespace

void MseLoss::Options::Fields(FieldVisitor& /*f*/) {}
MseLoss::MseLoss(const Options& /*options*/) {}

at::Tensor MseLoss::Of(const at::Tensor& outputs, const at::Tensor& targets,
                       const at::Tensor& mask) const {
  return MeanOfSquares(outputs, targets, mask);
}

void SoftLabelsLoss::Options::Fields(FieldVisitor& /*f*/) {}
SoftLabelsLoss::SoftLabelsLoss(const Options& /*options*/) {}

at::Tensor SoftLabelsLoss::Of(const at::Tensor& outputs, const at::Tensor& targets,
                              const at::Tensor& mask) const {
  const at::Tensor student = outputs.to(at::kFloat).log_softmax(-1);
  const at::Tensor teacher = targets.to(at::kFloat).log_softmax(-1);
  const at::Tensor divergence = (teacher.exp() * (teacher - student)).sum(-1);
  return (mask.defined() ? divergence * mask : divergence).mean();
}

void SumSquaresLoss::Options::Fields(FieldVisitor& /*f*/) {}
SumSquaresLoss::SumSquaresLoss(const Options& /*options*/) {}

at::Tensor SumSquaresLoss::Of(const at::Tensor& outputs, const at::Tensor& targets,
                              const at::Tensor& mask) const {
  return Squares(outputs, targets, mask).sum(-1).mean();
}

void SumTokensLoss::Options::Fields(FieldVisitor& /*f*/) {}
SumTokensLoss::SumTokensLoss(const Options& /*options*/) {}

at::Tensor SumTokensLoss::Of(const at::Tensor& outputs, const at::Tensor& targets,
                             const at::Tensor& mask) const {
  return Squares(outputs, targets, mask).sum(1).mean();
}

void TrimmedMseLoss::Options::Fields(FieldVisitor& f) {
  f.Real("trim", &trim, Between(0, 0.5), "part of the largest differences that is left out");
  f.Int("below_bits", &below_bits, Between(1, 17),
        "nothing is left out where codes have as many bits or more");
  f.UsedIf(below_bits < 17, "without below_bits", [this](FieldVisitor& bounded) {
    bounded.Int("inputs_up_to_bits", &inputs_up_to_bits, Between(0, 16),
                "but for layers whose inputs are quantized to as many bits or fewer");
  });
  f.Bool("sym_full_only", &sym_full_only, "nothing is left out on other grids than sym_full");
}

void TrimmedMseLoss::SetCodes(const TunedCodes& codes) {
  const bool few =
      codes.bits < options_.below_bits || codes.input_bits <= options_.inputs_up_to_bits;
  trims_ = options_.trim > 0 && few && (codes.sym_full || !options_.sym_full_only);
}

at::Tensor TrimmedMseLoss::Of(const at::Tensor& outputs, const at::Tensor& targets,
                              const at::Tensor& mask) const {
  if (!trims_) return MeanOfSquares(outputs, targets, mask);
  const at::Tensor flat = Squares(outputs, targets).flatten();
  const auto part = static_cast<std::int64_t>(static_cast<double>(flat.numel()) * options_.trim);
  const std::int64_t dropped = std::max<std::int64_t>(part, 1);
  const at::Tensor largest = std::get<1>(at::topk(flat.detach(), dropped, 0, true, false));
  const at::Tensor rest = flat.index_fill(0, largest, 0);
  if (!mask.defined()) return rest.mean();
  return (rest.view(outputs.sizes()) * mask.unsqueeze(-1)).mean();
}

}  // namespace roundlab
