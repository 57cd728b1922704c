#include "core/quant/quantized_weight.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/kernels/transfer.h"
#include "core/quant/incoherence.h"
#include "core/quant/power_grid.h"

namespace roundlab {

namespace {

constexpr double kPairZero = 128;  // of the codes of a low-rank pair

at::Tensor DecodeAdditive(const QuantizedWeight& w) {
  at::Tensor sum;
  for (std::int64_t i = 0; i < w.codebooks.size(0); ++i) {
    const at::Tensor vectors =
        w.codebooks[i].index_select(0, w.codes.select(2, i).flatten().to(at::kLong));
    sum = sum.defined() ? sum + vectors : vectors;
  }
  return sum.reshape({w.Rows(), w.Columns()}) * w.scale;
}

/// What the codes alone say.
at::Tensor DecodeCodes(const QuantizedWeight& w) {
  if (w.codebooks.defined()) return DecodeAdditive(w);
  if (w.codebook.defined()) return w.codebook.gather(1, w.codes.to(at::kLong));
  if (w.g_idx.defined()) {
    return w.scale.index_select(1, w.g_idx) *
           w.Steps(w.codes.to(at::kFloat), w.zero.index_select(1, w.g_idx));
  }
  const GroupLayout layout = w.Layout();
  const at::Tensor groups = layout.Split(w.codes.to(at::kFloat));
  return layout.Join(w.scale.reshape({-1, 1}) * w.Steps(groups, w.zero.reshape({-1, 1})));
}

}  // namespace

at::Tensor QuantizedWeight::Steps(const at::Tensor& some_codes,
                                  const at::Tensor& their_zero) const {
  if (!exponent.defined()) return some_codes - their_zero;
  const at::Tensor values = PowerValues(spec.bits, exponent.item<double>()).to(codes.device());
  return values.index_select(0, some_codes.to(at::kLong).flatten()).view(some_codes.sizes());
}

at::Tensor QuantizedWeight::LowRank() const {
  if (left.defined()) return at::matmul(left, right);
  if (!left_codes.defined()) return {};
  const at::Tensor scaled = (left_codes.to(at::kFloat) - kPairZero) * pair_scale;
  return at::matmul(scaled, right_codes.to(at::kFloat) - kPairZero);
}

at::Tensor QuantizedWeight::HeldByCodes() const {
  at::Tensor held = at::ones({Rows(), Columns()}, scale.options());
  if (outlier_index.defined()) held.view({-1}).index_fill_(0, outlier_index.to(at::kLong), 0);
  if (kept_columns.defined()) held.index_fill_(1, kept_columns.to(at::kLong), 0);
  return held;
}

at::Tensor QuantizedWeight::Dequantize() const {
  at::Tensor weight = DecodeCodes(*this);
  if (row_signs.defined()) weight = FromIncoherent(weight, {row_signs, column_signs, column_scale});
  const at::Tensor pair = LowRank();
  if (pair.defined()) weight = weight + pair;
  if (outlier_index.defined()) {
    weight = weight.contiguous();
    weight.view({-1}).index_copy_(0, outlier_index.to(at::kLong), outlier_value);
  }
  if (kept_columns.defined()) weight.index_copy_(1, kept_columns.to(at::kLong), kept_values);
  return weight;
}

std::int64_t QuantizedWeight::CodeCount() const {
  return codebooks.defined() ? codebooks.size(1) : std::int64_t{1} << spec.bits;
}

std::vector<QuantizedWeight::Part> QuantizedWeight::Parts() {
  const double bits = std::log2(static_cast<double>(CodeCount()));
  return {{"codes", &codes, at::kByte, bits},
          {"scale", &scale, at::kFloat, spec.ScaleBits()},
          {"zero", &zero, at::kFloat, spec.ZeroBits()},
          {"g_idx", &g_idx, at::kInt, 32},
          {"codebook", &codebook, at::kFloat, 16},
          {"codebooks", &codebooks, at::kFloat, 16},
          {"row_signs", &row_signs, at::kByte, 1},
          {"column_signs", &column_signs, at::kByte, 1},
          {"column_scale", &column_scale, at::kFloat, 16},
          {"left", &left, at::kFloat, 16},
          {"right", &right, at::kFloat, 16},
          {"left_codes", &left_codes, at::kByte, 8},
          {"right_codes", &right_codes, at::kByte, 8},
          {"pair_scale", &pair_scale, at::kFloat, 32},
          {"outlier_index", &outlier_index, at::kInt, 32},
          {"outlier_value", &outlier_value, at::kFloat, 16},
          {"kept_columns", &kept_columns, at::kInt, 32},
          {"kept_values", &kept_values, at::kFloat, 16},
          {"bias", &bias, at::kFloat, 0},
          {"exponent", &exponent, at::kFloat, 32}};
}

double QuantizedWeight::BitsPerWeight() const {
  QuantizedWeight all = *this;
  double bits = 0;
  for (const Part& part : all.Parts()) {
    if (part.tensor->defined()) bits += part.bits * static_cast<double>(part.tensor->numel());
  }
  return bits / static_cast<double>(Rows() * Columns());
}

void KeepApart(const at::Tensor& mask, const at::Tensor& weight, QuantizedWeight* rounded) {
  if (!mask.any().item<bool>()) return;
  const at::Tensor place = mask.flatten().nonzero().flatten();
  rounded->outlier_index = place.to(at::kInt);
  rounded->outlier_value = weight.flatten().index_select(0, place).to(at::kHalf).to(at::kFloat);
}

std::string WeightProblem(const QuantizedWeight& weight, const at::Tensor& decoded) {
  QuantizedWeight all = weight;
  for (const QuantizedWeight::Part& part : all.Parts()) {
    if (!part.tensor->defined() || !part.tensor->is_floating_point()) continue;
    if (!part.tensor->isfinite().all().item<bool>()) {
      return std::string(part.name) + " is not finite";
    }
  }
  return decoded.isfinite().all().item<bool>() ? "" : "a decoded weight is not finite";
}

QuantizedWeight FromCodes(const at::Tensor& codes, const AffineGrid& grid,
                          const GroupLayout& layout, const QuantSpec& spec) {
  QuantizedWeight weight;
  const at::Tensor given = layout.Join(codes.detach());  // what fills up a group is no code
  weight.codes = given.to(at::kByte).clone();
  if (!at::equal(weight.codes.to(given.scalar_type()), given)) {
    if (!given.isfinite().all().item<bool>()) throw Diverged("a code is not finite");
    throw Error("a code is no whole number from 0 to 255");
  }
  const at::Tensor scale = grid.scale.detach().to(at::kFloat);
  weight.scale = scale.reshape({layout.scale_rows, layout.per_row}).clone();
  weight.zero = grid.zero.detach().reshape({layout.scale_rows, layout.per_row}).clone();
  weight.spec = spec;
  return weight;
}

QuantizedWeight QuantizedWeight::To(const at::Device& device) const {
  QuantizedWeight moved = *this;
  for (const Part& part : moved.Parts()) {
    if (!part.tensor->defined()) continue;
    *part.tensor = device.is_cpu() ? ToPlainMemory(*part.tensor) : part.tensor->to(device);
  }
  return moved;
}

QuantizedWeight QuantizeAffine(const at::Tensor& groups, const at::Tensor& offset,
                               const AffineGrid& grid, const GroupLayout& layout,
                               const QuantSpec& spec) {
  at::Tensor position = groups.detach() / grid.scale.detach().unsqueeze(1);
  if (offset.defined()) position.add_(offset.detach());
  const at::Tensor zero = grid.zero.detach().unsqueeze(1);
  if (spec.grid == GridKind::kFloatZero) {
    position.add_(zero).round_();
  } else {
    position.round_().add_(zero);
  }
  position.clamp_(0, spec.CodeMax());
  return FromCodes(position, grid, layout, spec);
}

QuantizedWeight RoundToNearest(const at::Tensor& weight, const QuantSpec& spec) {
  const at::NoGradGuard no_grad;
  const GroupLayout layout = GroupLayout::For(weight.size(0), weight.size(1), spec.group_size);
  const at::Tensor groups = layout.Split(weight.detach());
  return QuantizeAffine(groups, {}, MakeGrid(MinMaxRange(groups), spec), layout, spec);
}

}  // namespace roundlab
