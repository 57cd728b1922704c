#include "rounding/tuner/unit_loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/quant/activation_quantizer.h"

namespace roundlab {
namespace {

at::Tensor Distance(const Reconstruction& unit, const Loss& loss, const at::Tensor& outputs,
                    const BatchRows& batch) {
  const auto to = [&](const at::Tensor& targets) {
    if (!unit.read) return loss.Of(outputs, targets, batch.mask);
    return loss.Of(unit.read(outputs), unit.read(targets), batch.mask);
  };
  const at::Tensor distance = to(batch.targets);
  return batch.also.defined() ? distance + to(batch.also) : distance;
}

std::vector<at::Tensor> Rows(const at::Tensor& t) {
  return t.defined() ? t.split(1) : std::vector<at::Tensor>();
}

}  // namespace

std::unique_ptr<Loss> LossOf(const Reconstruction& unit, const TuneOptions& options) {
  auto loss = options.loss.make();
  TunedCodes codes{.bits = unit.bits, .sym_full = unit.sym_full};
  for (const LinearSlot* slot : unit.slots) {
    if (slot->quantizer != nullptr)
      codes.input_bits = std::min(codes.input_bits, slot->quantizer->spec.bits);
  }
  loss->SetCodes(codes);
  return loss;
}

LossShare ShareOfLoss(const Reconstruction& unit, const Loss& loss, const at::Tensor& outputs,
                      const BatchRows& batch, std::int64_t all, bool by_rows) {
  LossShare share;
  const auto add = [&](const at::Tensor& of_rows, const BatchRows& rows) {
    const double part = static_cast<double>(of_rows.size(0)) / static_cast<double>(all);
    const at::Tensor value = Distance(unit, loss, of_rows, rows) * part;
    share.values.push_back(value.detach().to(at::kDouble));
    share.sum = share.sum.defined() ? share.sum + value : value;
  };
  if (!by_rows) {
    add(outputs, batch);
    return share;
  }
  const auto of_rows = Rows(outputs);
  const auto targets = Rows(batch.targets);
  const auto also = Rows(batch.also);
  const auto mask = Rows(batch.mask);
  for (std::size_t i = 0; i < of_rows.size(); ++i) {
    add(of_rows[i], {{},
                     targets[i],
                     also.empty() ? at::Tensor() : also[i],
                     mask.empty() ? at::Tensor() : mask[i]});
  }
  return share;
}

double FullLoss(const Reconstruction& unit, const UnitData& data, const TuneOptions& options,
                const HiddenStates& outputs) {
  const at::NoGradGuard no_grad;
  const auto loss = LossOf(unit, options);
  const std::int64_t rows = data.inputs.rows();
  at::Tensor sum = at::zeros({}, at::TensorOptions(data.inputs.device()).dtype(at::kDouble));
  const auto ahead = [&](std::int64_t first) {
    return first < rows ? ComingBatch(data, first, std::min(options.batch, rows - first))
                        : ComingBatch();
  };
  ComingBatch coming = ahead(0);
  for (std::int64_t first = 0; first < rows; first += options.batch) {
    const BatchRows batch = coming.Get();
    coming = ahead(first + options.batch);
    const at::Tensor y = unit.forward(batch.inputs);
    sum +=
        Distance(unit, *loss, y, batch).to(at::kDouble) * static_cast<double>(batch.inputs.size(0));
    if (outputs.defined()) outputs.Write(first, y);
  }
  return sum.item<double>() / static_cast<double>(rows);
}

}  // namespace roundlab
