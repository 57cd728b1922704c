#include "rounding/solvers/ldlq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// U + 1 of H, or undefined where H is not positive definite.
at::Tensor FeedbackOf(const at::Tensor& hessian) {
  // Cholesky from the last column to the first: H = R R^T, R upper triangular.
  const auto [lower, info] = at::linalg_cholesky_ex(hessian.flip({0, 1}));
  if (info.item<int>() != 0) return {};
  const at::Tensor upper = lower.flip({0, 1});
  return upper / upper.diagonal();
}

}  // namespace

LdlqSolution SolveLdlq(const LdlqProblem& problem) {
  constexpr std::int64_t kBlock = 128;
  const at::NoGradGuard no_grad;
  const at::Tensor& weight = problem.weight;
  const std::int64_t in = weight.size(1);
  ROUNDLAB_CHECK(problem.hessian.sizes() == at::IntArrayRef({in, in}), "hessian must be [in, in]");
  const at::Tensor feedback = FeedbackOf(problem.hessian.to(weight.scalar_type()));
  if (!feedback.defined() || !feedback.isfinite().all().item<bool>()) return {};
  const at::Tensor scale = problem.scale.to(weight.scalar_type()).index_select(1, problem.group);
  const at::Tensor zero = problem.zero.to(weight.scalar_type()).index_select(1, problem.group);
  at::Tensor error = at::zeros_like(weight);  // W - W^ of the columns that are rounded
  at::Tensor codes = at::empty_like(weight);
  for (std::int64_t begin = 0; begin < in; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, in - begin);
    const at::Tensor right = feedback.narrow(1, begin, count);
    const at::Tensor wanted = weight.narrow(1, begin, count) +
                              at::mm(error.narrow(1, 0, begin), right.narrow(0, 0, begin));
    const at::Tensor inside = error.narrow(1, begin, count);
    for (std::int64_t k = 0; k < count; ++k) {
      at::Tensor column = wanted.select(1, k);
      if (k > 0) {
        column = column + at::mv(inside.narrow(1, 0, k), right.narrow(0, begin, k).select(1, k));
      }
      const std::int64_t at = begin + k;
      const at::Tensor s = scale.select(1, at);
      const at::Tensor z = zero.select(1, at);
      const at::Tensor step = at::where(s == 0, at::ones_like(s), s);
      const at::Tensor code = (column / step + z).round_().clamp_(0, problem.code_max);
      codes.select(1, at).copy_(code);
      inside.select(1, k).copy_(weight.select(1, at) - s * (code - z));
    }
  }
  const at::Tensor moment = problem.hessian.to(weight.scalar_type());
  return {codes.to(at::kByte), (at::mm(error, moment) * error).sum(at::kDouble).item<double>()};
}

}  // namespace roundlab
