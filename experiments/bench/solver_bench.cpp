#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <tuple>

#include "core/kernels/device.h"
#include "core/model/shapes.h"
#include "core/quant/grid.h"
#include "experiments/bench/timing.h"
#include "rounding/solvers/gptq.h"

namespace roundlab {
namespace {

constexpr std::int64_t kTokens = 4096;

}  // namespace

void GptqProducts(const at::Tensor& weight, const at::Tensor& hessian) {
  constexpr std::int64_t kLazy = 128;  // columns whose errors are handed on together
  const std::int64_t in = weight.size(1);
  const at::Tensor lower = std::get<0>(at::linalg_cholesky_ex(hessian));
  const at::Tensor upper = std::get<0>(at::linalg_cholesky_ex(at::cholesky_inverse(lower), true));
  const at::Tensor left = weight.clone();
  for (std::int64_t end = kLazy; end < in; end += kLazy) {
    const std::int64_t begin = end - kLazy;
    left.narrow(1, end, in - end)
        .addmm_(left.narrow(1, begin, kLazy),
                upper.narrow(0, begin, kLazy).narrow(1, end, in - end));
  }
}

Benchmark BenchSolver(const std::string& shape, const BenchOptions& options) {
  const at::NoGradGuard no_grad;
  const BlockPlan plan = DescribeShape(shape).Plan(0);
  const std::int64_t group = GroupSize(plan);
  Benchmark result{"gptq_solve/" + shape};
  WatchPeak(options.device);
  BenchOptions few = options;
  few.steps = 0;  // a solve takes seconds: the least that TimeWork counts
  for (const LinearPlan& linear : plan.linears) {
    const std::int64_t tokens = std::min(kTokens, 2 * linear.in);
    const at::Tensor x = RandomTensor(options, {tokens, linear.in}, 1, at::kFloat);
    GptqProblem problem;
    problem.weight = RandomTensor(options, {linear.out, linear.in}, 2, at::kFloat) * 0.02;
    problem.hessian = at::mm(x.t(), x);
    problem.hessian.diagonal().add_(0.01 * problem.hessian.diagonal().mean());
    problem.grid = [](const at::Tensor& groups, const at::Tensor& /*columns*/) {
      return MakeGrid(MinMaxRange(groups), {});
    };
    GptqSettings settings;
    settings.group_size = group;
    const double seconds = TimeWork(few, [&] { SolveGptq(problem, settings); });
    result.seconds += seconds;
    result.floor_seconds += TimeWork(few, [&] { GptqProducts(problem.weight, problem.hessian); });
    result.parts.emplace_back(linear.name, seconds);
  }
  result.peak_bytes = PeakBytes(options.device);
  result.figures = {{"group_size", static_cast<double>(group)}};
  return result;
}

}  // namespace roundlab
