#include "rounding/model_gradients.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/quant/activation_quantizer.h"

namespace roundlab {
namespace {

/// Has a slot's inputs quantized, and seen when their gradient comes.
void QuantizeInputs(const GradientProblem& problem, const SeeInputs& see, LinearSlot* slot) {
  if (!problem.quantizer) return;
  slot->quantizer = problem.quantizer(*slot);
  if (!see) return;
  slot->on_quantized = [slot, &see](const at::Tensor& x, const at::Tensor& quantized) {
    const at::Tensor change = (x - quantized).detach();
    quantized.register_hook(
        [slot, &see, change](const at::Tensor& gradient) { see(*slot, change, gradient); });
  };
}

/// The blocks with a leaf in each slot.
std::vector<std::unique_ptr<DecoderBlock>> Leaves(const GradientProblem& problem,
                                                  const SeeInputs& see_inputs) {
  std::vector<std::unique_ptr<DecoderBlock>> blocks;
  for (std::int64_t i = 0; i < problem.source->description().layers; ++i) {
    blocks.push_back(problem.source->LoadBlock(i));
    for (LinearSlot* slot : blocks.back()->Linears()) {
      const at::Tensor other = problem.weight ? problem.weight(*slot) : at::Tensor();
      slot->effective = (other.defined() ? other : slot->weight).detach().clone();
      slot->effective.set_requires_grad(true);
      QuantizeInputs(problem, see_inputs, slot);
    }
  }
  return blocks;
}

}  // namespace

double VisitGradients(
    const GradientProblem& problem,
    const std::function<void(const LinearSlot& slot, const at::Tensor& gradient)>& see, Log* log,
    const SeeInputs& see_inputs) {
  const at::Tensor& tokens = problem.tokens;
  ROUNDLAB_CHECK(tokens.dim() == 2 && tokens.size(1) > 1, "tokens must be [rows, seq]");
  const std::int64_t seq = tokens.size(1);
  const std::int64_t batches = (tokens.size(0) + problem.batch - 1) / problem.batch;
  const auto blocks = Leaves(problem, see_inputs);
  const ModelEnds ends = problem.source->LoadEnds();
  const RopeTable rope = ends.Rope(seq);
  Progress progress(*log, "gradients", "batches", batches);
  double sum = 0;
  for (std::int64_t b = 0; b < batches; ++b) {
    CheckInterrupt();
    const std::int64_t first = b * problem.batch;
    const std::int64_t count = std::min(problem.batch, tokens.size(0) - first);
    const at::Tensor rows = tokens.narrow(0, first, count);
    at::Tensor hidden = ends.Embed(rows);
    if (see_inputs) hidden.set_requires_grad(true);  // else the first layers' have no gradient
    for (const auto& block : blocks) hidden = block->Forward(hidden, rope);
    const at::Tensor loss = ends.NextTokenLoss(ends.Final(hidden).narrow(1, 0, seq - 1), rows);
    const double value = loss.item<double>();
    if (!std::isfinite(value)) {
      throw Diverged("gradients: loss of batch " + std::to_string(b) + " is not finite");
    }
    sum += value;
    loss.backward();
    const at::NoGradGuard no_grad;
    for (const auto& block : blocks) {
      for (LinearSlot* slot : block->Linears()) {
        at::Tensor& gradient = slot->effective.mutable_grad();
        if (!gradient.defined()) continue;  // an expert that no token was sent to
        see(*slot, gradient);
        gradient.reset();
      }
    }
    progress.Advance();
  }
  return sum / static_cast<double>(batches);
}

}  // namespace roundlab
