#include "rounding/solvers/hqq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <limits>

#include "core/base/error.h"
#include "core/kernels/half_quadratic.h"

namespace roundlab {
namespace {

/// Rounds to `dtype` and back.
at::Tensor Through(at::ScalarType dtype, const at::Tensor& values) {
  return values.to(dtype).to(at::kFloat);
}

}  // namespace

HqqSolution SolveHqq(const at::Tensor& groups, const HqqSettings& settings) {
  const at::NoGradGuard no_grad;
  ROUNDLAB_CHECK(groups.dim() == 2 && groups.scalar_type() == at::kFloat && groups.is_contiguous(),
                 "groups must be [groups, width], float32 and contiguous");
  const at::Tensor low = groups.amin(1);
  const at::Tensor span = groups.amax(1) - low;
  at::Tensor reciprocal =
      at::where(span <= 1e-4, at::ones_like(span), settings.code_max / span).clamp_max(2e4);
  HqqSolution solution;
  solution.scale = Through(settings.dtype, reciprocal.reciprocal());
  if (settings.dtype != at::kFloat) reciprocal = solution.scale.reciprocal();
  solution.zero = -low * reciprocal;
  if (settings.round_zero) solution.zero.round_();
  const RealZeroGroups rows{groups, reciprocal, settings.code_max};
  double beta = settings.beta;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < settings.iterations; ++i) {
    const double error = HalfQuadraticStep(rows, {settings.norm, beta}, solution.zero);
    solution.errors.push_back(error);
    beta *= settings.kappa;
    if (settings.early_stop && error >= least) break;
    least = error;
  }
  solution.zero = Through(settings.dtype, solution.zero);
  solution.codes = (groups * reciprocal.unsqueeze(1) + solution.zero.unsqueeze(1))
                       .round_()
                       .clamp_(0, settings.code_max)
                       .to(at::kByte);
  return solution;
}

}  // namespace roundlab
