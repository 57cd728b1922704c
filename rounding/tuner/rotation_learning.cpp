#include "rounding/tuner/rotation_learning.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/quant/activation_quantizer.h"

namespace roundlab {
namespace {

/// The model whose stream is turned further, with quantizers on what its layers are fed.
class RotatedModel {
 public:
  explicit RotatedModel(const RotationTask& task)
      : ends_(task.start->LoadEnds()), rope_(ends_.Rope(task.tokens.size(1)).To(task.device)) {
    ends_.To(task.device);
    ActivationSpec spec;
    spec.bits = task.options.bits;
    spec.grid = CodeKind::kSymRestricted;
    spec.per = RangePer::kToken;
    const auto quantizer = std::make_shared<const ActivationQuantizer>(ActivationQuantizer{spec});
    for (std::int64_t i = 0; i < task.start->description().layers; ++i) {
      blocks_.push_back(task.start->LoadBlock(i));
      blocks_.back()->To(task.device);
      routers_.push_back(blocks_.back()->router);
      for (LinearSlot* slot : blocks_.back()->Linears()) slot->quantizer = quantizer;
    }
  }

  /// Mean nll of tokens 1 to seq - 1 of these rows; differentiable in `rotation`, [hidden, hidden].
  at::Tensor Loss(const at::Tensor& rows, const at::Tensor& rotation) {
    Rotate(rotation);
    at::Tensor hidden = at::matmul(ends_.Embed(rows), rotation);
    for (const auto& block : blocks_) hidden = block->Forward(hidden, rope_);
    const std::int64_t seq = rows.size(1);
    // The last norm has no factors: turned back behind it is turned back before it.
    const at::Tensor last = at::matmul(ends_.Final(hidden.narrow(1, 0, seq - 1)), rotation.t());
    return ends_.NextTokenLoss(last, rows);
  }

 private:
  void Rotate(const at::Tensor& rotation) {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      for (LinearSlot* slot : blocks_[i]->Linears()) {
        if (ReadsResidual(slot->role)) slot->effective = at::matmul(slot->weight, rotation);
        if (!WritesResidual(slot->role)) continue;
        slot->effective = at::matmul(rotation.t(), slot->weight);
        if (slot->bias.defined()) slot->effective_bias = at::matmul(rotation.t(), slot->bias);
      }
      if (routers_[i].defined()) blocks_[i]->router = at::matmul(routers_[i], rotation);
    }
  }

  ModelEnds ends_;
  RopeTable rope_;
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
  std::vector<at::Tensor> routers_;
};

double Checked(const at::Tensor& loss, const std::string& where) {
  const double value = loss.item<double>();
  if (std::isfinite(value)) return value;
  throw Diverged("rotation: loss " + where + " is not finite");
}

double LossOfAll(RotatedModel* model, const RotationTask& task, const at::Tensor& rotation,
                 const std::string& when) {
  const at::NoGradGuard no_grad;
  const std::int64_t rows = task.tokens.size(0);
  double sum = 0;
  for (std::int64_t first = 0; first < rows; first += task.options.batch) {
    CheckInterrupt();
    const std::int64_t count = std::min(task.options.batch, rows - first);
    const at::Tensor some = task.tokens.narrow(0, first, count).to(task.device);
    sum += Checked(model->Loss(some, rotation), when) * static_cast<double>(count);
  }
  return sum / static_cast<double>(rows);
}

}  // namespace

at::Tensor CayleyStep(const at::Tensor& x, const at::Tensor& gradient, double lr) {
  const at::NoGradGuard no_grad;
  const at::Tensor y = at::matmul(-gradient, x.t());
  const at::Tensor hat = y - at::matmul(x, at::matmul(x.t(), y)) / 2;
  const at::Tensor w = hat - hat.t();
  const double norm = w.abs().sum(0).max().item<double>();
  const double rate = norm > 0 ? std::min(lr, 1 / norm) : lr;
  const at::Tensor one = at::eye(x.size(0), x.options());
  return at::linalg_solve(one - w * (rate / 2), at::matmul(one + w * (rate / 2), x));
}

LearnedRotation LearnRotation(const RotationTask& task, Log* log) {
  ROUNDLAB_CHECK(task.tokens.dim() == 2 && task.tokens.size(1) > 1, "tokens must be [rows, seq]");
  const RotationLearning& options = task.options;
  const std::int64_t rows = task.tokens.size(0);
  RotatedModel model(task);
  const at::Tensor start = task.start->rotation();
  at::Tensor further = at::eye(start.size(0), at::TensorOptions(task.device).dtype(at::kDouble));
  LearnedRotation learned;
  learned.loss_before = LossOfAll(&model, task, further.to(at::kFloat), "before learning");
  Progress progress(*log, "rotation", "steps", options.steps);
  for (std::int64_t step = 0; step < options.steps; ++step) {
    CheckInterrupt();
    const at::Tensor place = at::arange(options.batch, at::kLong) + step * options.batch;
    const at::Tensor some = task.tokens.index_select(0, place.remainder(rows)).to(task.device);
    const at::Tensor rotation = further.to(at::kFloat).requires_grad_(true);
    const at::Tensor loss = model.Loss(some, rotation);
    Checked(loss, "at step " + std::to_string(step));
    loss.backward();
    const double left = 1 - static_cast<double>(step) / static_cast<double>(options.steps);
    further = CayleyStep(further, rotation.grad().to(at::kDouble), options.lr * left);
    progress.Advance();
  }
  learned.loss_after = LossOfAll(&model, task, further.to(at::kFloat), "after learning");
  char text[96];
  std::snprintf(text, sizeof(text), "rotation: loss %.6g -> %.6g", learned.loss_before,
                learned.loss_after);
  log->Write(text + std::string(learned.loss_after > learned.loss_before ? ", start kept" : ""));
  const at::Tensor kept =
      learned.loss_after > learned.loss_before ? start : at::matmul(start, further.to(at::kCPU));
  learned.loss_after = std::min(learned.loss_after, learned.loss_before);
  learned.rotation = kept.to(at::kFloat).to(at::kDouble);
  return learned;
}

}  // namespace roundlab
