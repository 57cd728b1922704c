#include "rounding/solvers/gptq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/error.h"
#include "core/kernels/error_feedback.h"
#include "core/quant/groups.h"

namespace roundlab {
namespace {

/// Columns by falling diagonal inside each group of `width`, groups by their largest; a last group
/// that is narrower stays last.
at::Tensor GroupAwareOrder(const at::Tensor& diagonal, std::int64_t width) {
  const std::int64_t whole = diagonal.numel() / width;
  const at::Tensor groups = diagonal.narrow(0, 0, whole * width).view({whole, width});
  const at::Tensor inner =
      at::argsort(groups, true, 1, true) +
      (at::arange(whole, diagonal.options().dtype(at::kLong)) * width).view({whole, 1});
  const at::Tensor outer = at::argsort(groups.amax(1), true, 0, true);
  const at::Tensor rest =
      at::argsort(diagonal.narrow(0, whole * width, diagonal.numel() - whole * width), true, 0,
                  true) +
      whole * width;
  return at::cat({inner.index_select(0, outer).flatten(), rest});
}

class GptqSolver {
 public:
  GptqSolver(const GptqProblem& problem, const GptqSettings& settings)
      : problem_(problem),
        settings_(settings),
        in_(problem.weight.size(1)),
        layout_(GroupLayout::For(problem.weight.size(0), in_, settings.group_size)),
        weight_(problem.weight.clone()),
        hessian_(problem.hessian.to(weight_.options()).clone()) {}

  GptqSolution Run() {
    const at::Tensor dead = hessian_.diagonal() == 0;
    solution_.dead = dead.sum().item<std::int64_t>();
    hessian_.diagonal().masked_fill_(dead, 1);
    weight_.masked_fill_(dead, 0);
    if (settings_.static_groups || settings_.group_size == 0) FitAllGroups();
    Arrange(dead);
    if (solution_.dead == in_) return Nearest("no token reached it");
    if (!hessian_.isfinite().all().item<bool>()) return Nearest("its inputs are not finite");
    if (!Factorize()) return Nearest("its second moment has no Cholesky factor, damped or not");
    BeginColumns();
    for (std::int64_t begin = 0; begin < in_; begin += settings_.block_size) {
      RoundBlock(begin, std::min(in_, begin + settings_.block_size));
    }
    return Finish();
  }

 private:
  bool Whole() const { return settings_.group_size == 0; }
  std::int64_t Width() const { return Whole() ? in_ : layout_.width; }
  bool FixedGrids() const { return settings_.static_groups || Whole(); }

  void SetGroup(std::int64_t group, const at::Tensor& weights, const at::Tensor& columns) {
    const AffineGrid grid = problem_.grid(weights.contiguous(), columns);
    scale_.select(1, group).copy_(grid.scale.detach());
    zero_.select(1, group).copy_(grid.zero.detach());
  }

  /// From weight_ in its present order, which must be that of the columns.
  void FitAllGroups() {
    const at::Tensor columns = at::arange(in_, weight_.options().dtype(at::kLong));
    scale_ = at::empty({layout_.out, layout_.per_row}, weight_.options());
    zero_ = at::empty_like(scale_);
    if (Whole()) {
      SetGroup(0, weight_.reshape({1, -1}), columns.repeat({layout_.out}));
      return;
    }
    for (std::int64_t g = 0; g < layout_.per_row; ++g) {
      const std::int64_t width = std::min(layout_.width, in_ - g * layout_.width);
      SetGroup(g, weight_.narrow(1, g * layout_.width, width),
               columns.narrow(0, g * layout_.width, width));
    }
  }

  /// Puts weight, Hessian and cross moment into the order of rounding.
  void Arrange(const at::Tensor& dead) {
    if (problem_.cross.defined()) {
      cross_ = problem_.cross.to(weight_.options()).masked_fill(dead, 0);
    }
    const at::Tensor diagonal = hessian_.diagonal();
    order_ = at::arange(in_, weight_.options().dtype(at::kLong));
    if (settings_.order == GptqOrder::kActivation) order_ = at::argsort(diagonal, true, 0, true);
    if (settings_.order == GptqOrder::kGroupAware) order_ = GroupAwareOrder(diagonal, Width());
    const bool by_place =
        settings_.static_groups || settings_.order == GptqOrder::kGroupAware || Whole();
    const at::Tensor places = by_place ? order_ : at::arange(in_, order_.options());
    group_ = places.div(Width(), "floor");
    if (settings_.order == GptqOrder::kColumns) return;
    weight_ = weight_.index_select(1, order_);
    hessian_ = hessian_.index_select(0, order_).index_select(1, order_);
    if (cross_.defined()) cross_ = cross_.index_select(0, order_).index_select(1, order_);
  }

  /// Sets U, and P where the method is asymmetric. False where no damping helps.
  bool Factorize() {
    const double mean = hessian_.diagonal().mean().item<double>();
    solution_.damp = settings_.damp;
    while (!FactorizeDamped(solution_.damp * mean)) {
      solution_.damp += settings_.damp_increment;
      if (settings_.damp_increment == 0 || solution_.damp >= 1) return false;
    }
    hessian_.reset();
    if (cross_.defined()) {
      shift_ =
          at::mm(at::mm(cross_, factor_.t()).triu(1), factor_).mul_(settings_.asymmetric_alpha);
      cross_.reset();
      return shift_.isfinite().all().item<bool>();
    }
    return true;
  }

  bool FactorizeDamped(double added) {
    at::Tensor matrix = hessian_.clone();  // in turn H, its factor, its inverse: one at a time
    matrix.diagonal().add_(added);
    at::Tensor info;
    std::tie(matrix, info) = at::linalg_cholesky_ex(matrix);
    if (info.item<int>() != 0) return false;
    matrix = at::cholesky_inverse(matrix);
    const auto [upper, again] = at::linalg_cholesky_ex(matrix, true);
    if (again.item<int>() != 0 || !upper.isfinite().all().item<bool>()) return false;
    factor_ = upper;
    return true;
  }

  void BeginColumns() {
    if (!FixedGrids()) {
      scale_ = at::empty({layout_.out, layout_.per_row}, weight_.options());
      zero_ = at::empty_like(scale_);
    }
    codes_ = at::empty({layout_.out, in_}, weight_.options().dtype(at::kByte));
    losses_ = at::empty({in_}, weight_.options().dtype(at::kDouble));
  }

  FeedbackBlock Block(std::int64_t begin, std::int64_t end) const {
    const auto square = [&](const at::Tensor& m) {
      return m.narrow(0, begin, end - begin).narrow(1, begin, end - begin).contiguous();
    };
    FeedbackBlock block;
    block.weight = weight_.narrow(1, begin, end - begin).contiguous().clone();
    block.factor = square(factor_);
    if (shift_.defined()) block.shift = square(shift_);
    block.scale = scale_;
    block.zero = zero_;
    block.group = group_.narrow(0, begin, end - begin);
    block.code_max = settings_.code_max;
    block.codes = at::empty_like(block.weight);
    block.error = at::empty_like(block.weight);
    return block;
  }

  /// Takes the first `done` columns of the block that begins at `begin` into account in those
  /// right behind it.
  void Update(const FeedbackBlock& block, std::int64_t begin, std::int64_t done,
              at::Tensor columns) const {
    if (done == 0 || columns.size(1) == 0) return;
    const std::int64_t end = begin + block.weight.size(1);
    const auto right = [&](const at::Tensor& m) {
      return m.narrow(0, begin, done).narrow(1, end, columns.size(1));
    };
    columns.addmm_(block.error.narrow(1, 0, done), right(factor_), 1, -1);
    if (shift_.defined()) columns.addmm_(block.weight.narrow(1, 0, done), right(shift_));
  }

  /// The grid of the group that begins at column `at`, inside the block that begins at `begin`.
  void FitGroup(const FeedbackBlock& block, std::int64_t begin, std::int64_t at) {
    const std::int64_t width = std::min(Width(), in_ - at);
    const std::int64_t inside = std::min(width, begin + block.weight.size(1) - at);
    at::Tensor source = weight_.narrow(1, at, width);
    if (!settings_.stale_groups) {
      const at::Tensor behind = source.narrow(1, inside, width - inside).clone();
      Update(block, begin, at - begin, behind);
      source = at::cat({block.weight.narrow(1, at - begin, inside), behind}, 1);
    }
    SetGroup(group_[at].item<std::int64_t>(), source, order_.narrow(0, at, width));
  }

  void RoundBlock(std::int64_t begin, std::int64_t end) {
    const FeedbackBlock block = Block(begin, end);
    for (std::int64_t from = begin; from < end;) {
      std::int64_t to = end;
      if (!FixedGrids()) {
        if (from % Width() == 0) FitGroup(block, begin, from);
        to = std::min(end, (from / Width() + 1) * Width());
      }
      ErrorFeedback(block, from - begin, to - begin);
      from = to;
    }
    codes_.narrow(1, begin, end - begin).copy_(block.codes);
    losses_.narrow(0, begin, end - begin)
        .copy_(block.error.square().sum(0, false, at::kDouble) / 2);
    Update(block, begin, end - begin, weight_.narrow(1, end, in_ - end));
  }

  GptqSolution Finish() {
    const at::Tensor back = at::argsort(order_);
    solution_.codes = codes_.index_select(1, back);
    solution_.losses = losses_.index_select(0, back);
    solution_.g_idx = group_.index_select(0, back).to(at::kInt);
    SetGrids();
    if (solution_.losses.isfinite().all().item<bool>()) return std::move(solution_);
    return Nearest("its losses are not finite");
  }

  void SetGrids() {
    solution_.scale = Whole() ? scale_.narrow(0, 0, 1).contiguous() : scale_;
    solution_.zero = Whole() ? zero_.narrow(0, 0, 1).contiguous() : zero_;
  }

  GptqSolution Nearest(const char* reason) {
    weight_ = problem_.weight;
    FitAllGroups();
    const at::Tensor columns = at::arange(in_, order_.options()).div(Width(), "floor");
    const at::Tensor codes = (weight_ / scale_.index_select(1, columns))
                                 .round_()
                                 .add_(zero_.index_select(1, columns))
                                 .clamp_(0, settings_.code_max);
    solution_.codes = codes.to(at::kByte);
    solution_.g_idx = columns.to(at::kInt);
    solution_.losses = at::zeros({in_}, weight_.options().dtype(at::kDouble));
    solution_.fallback = true;
    solution_.reason = reason;
    SetGrids();
    return std::move(solution_);
  }

  const GptqProblem& problem_;
  const GptqSettings settings_;
  const std::int64_t in_;
  const GroupLayout layout_;
  at::Tensor weight_;   // [out, in] in the order of rounding, with the updates of finished blocks
  at::Tensor hessian_;  // [in, in]
  at::Tensor cross_;    // [in, in] or undefined
  at::Tensor factor_;   // [in, in], U
  at::Tensor shift_;    // [in, in], P, or undefined
  at::Tensor order_;    // [in] int64, the column that is rounded at each place
  at::Tensor group_;    // [in] int64, the group of each place
  at::Tensor scale_;    // [out, groups]
  at::Tensor zero_;     // [out, groups]
  at::Tensor codes_;    // [out, in] uint8, in the order of rounding
  at::Tensor losses_;   // [in] float64, likewise
  GptqSolution solution_;
};

}  // namespace

GptqSolution SolveGptq(const GptqProblem& problem, const GptqSettings& settings) {
  const at::NoGradGuard no_grad;
  const at::Tensor& weight = problem.weight;
  ROUNDLAB_CHECK(weight.dim() == 2, "weight must be [out, in]");
  ROUNDLAB_CHECK(problem.hessian.dim() == 2 && problem.hessian.size(0) == weight.size(1) &&
                     problem.hessian.size(1) == weight.size(1),
                 "hessian must be [in, in]");
  ROUNDLAB_CHECK(weight.isfinite().all().item<bool>(), "weights must be finite");
  return GptqSolver(problem, settings).Run();
}

}  // namespace roundlab
