#include "core/quant/weight_form.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

namespace roundlab {
namespace {

bool HasShape(const at::Tensor& t, std::vector<std::int64_t> shape) {
  return t.defined() && t.sizes() == at::IntArrayRef(shape);
}

/// The same of a basis, or "".
std::string BasisProblem(const QuantizedWeight& w) {
  if (!w.row_signs.defined() && !w.column_signs.defined() && !w.column_scale.defined()) return "";
  const bool scaled = !w.column_scale.defined() || HasShape(w.column_scale, {w.Columns()});
  if (HasShape(w.row_signs, {w.Rows()}) && HasShape(w.column_signs, {w.Columns()}) && scaled) {
    return "";
  }
  return "signs or column scales have another shape than the weight";
}

/// The same of low-rank pairs.
std::string PairProblem(const QuantizedWeight& w) {
  const auto fits = [&](const at::Tensor& left, const at::Tensor& right) {
    if (!left.defined() && !right.defined()) return true;
    const std::int64_t rank = left.defined() && left.dim() == 2 ? left.size(1) : 0;
    return HasShape(left, {w.Rows(), rank}) && HasShape(right, {rank, w.Columns()});
  };
  const std::int64_t rank = w.left_codes.defined() ? w.left_codes.size(-1) : 0;
  const bool scaled = !w.left_codes.defined() || HasShape(w.pair_scale, {rank});
  return fits(w.left, w.right) && fits(w.left_codes, w.right_codes) && scaled
             ? ""
             : "the low-rank pair does not fit the weight";
}

/// Whether all places [n] lie in 0 .. end - 1.
bool Inside(const at::Tensor& places, std::int64_t end) {
  return places.dim() == 1 && at::logical_and(places >= 0, places < end).all().item<bool>();
}

/// Whether n places inside come with values [shape, n], or neither is there.
bool Kept(const at::Tensor& places, std::int64_t end, const at::Tensor& values,
          std::vector<std::int64_t> shape) {
  if (!places.defined()) return !values.defined();
  shape.push_back(places.numel());
  return Inside(places, end) && HasShape(values, std::move(shape));
}

/// The same of what stands beside the codes.
std::string BesideProblem(const QuantizedWeight& w) {
  if (!Kept(w.outlier_index, w.Rows() * w.Columns(), w.outlier_value, {})) {
    return "weights that are kept apart do not fit the weight";
  }
  if (!Kept(w.kept_columns, w.Columns(), w.kept_values, {w.Rows()})) {
    return "columns that are kept apart do not fit the weight";
  }
  if (w.bias.defined() && !HasShape(w.bias, {w.Rows()}))
    return "bias has another length than the rows";
  return "";
}

/// The same of codes on a grid of scales and zero points.
std::string GridFormProblem(const QuantizedWeight& w) {
  const GroupLayout layout = w.Layout();
  const std::vector<std::int64_t> groups = {layout.scale_rows, layout.per_row};
  if (w.scale.sizes() != at::IntArrayRef(groups)) return "scale has another shape than its groups";
  if (w.zero.sizes() != w.scale.sizes()) return "zero has another shape than scale";
  if (w.g_idx.defined() && !(HasShape(w.g_idx, {w.Columns()}) && Inside(w.g_idx, layout.per_row))) {
    return "g_idx is not a group for each column";
  }
  if (w.exponent.defined() && (w.exponent.numel() != 1 || !(w.exponent.item<double>() > 0))) {
    return "the exponent is no number above 0";
  }
  return "";
}

}  // namespace

std::string FormProblem(const QuantizedWeight& weight) {
  QuantizedWeight w = weight;
  for (const QuantizedWeight::Part& part : w.Parts()) {
    if (part.tensor->defined() && part.tensor->scalar_type() != part.dtype) {
      return std::string(part.name) + " has another type than it should";
    }
  }
  if (!w.codes.defined()) return "no codes";
  if (!w.codebook.defined() && !w.codebooks.defined() &&
      (!w.scale.defined() || !w.zero.defined())) {
    return "neither scale and zero nor a codebook";
  }
  const bool additive = w.codebooks.defined();
  if (additive && (w.codebooks.dim() != 3 || w.codebooks.numel() == 0)) {
    return "codebooks are no list of matrices";
  }
  if (additive && (w.codes.dim() != 3 || w.codes.size(2) != w.codebooks.size(0))) {
    return "codes have another shape than their codebooks";
  }
  if ((!additive && w.codes.dim() != 2) || w.codes.numel() == 0) return "codes are no matrix";
  if (w.codes.max().item<std::int64_t>() >= w.CodeCount()) {
    return additive ? "a code is beyond its codebook" : "a code is above 2^bits - 1";
  }
  for (const std::string& problem : {BasisProblem(w), PairProblem(w), BesideProblem(w)}) {
    if (!problem.empty()) return problem;
  }
  if (additive) {
    return HasShape(w.scale, {w.Rows(), 1}) ? "" : "scale has another shape than the rows";
  }
  if (w.spec.axis == 0 && w.spec.group_size > 0 && w.codes.numel() % w.spec.group_size != 0) {
    return "groups do not fill the matrix";
  }
  if (w.codebook.defined()) {
    return HasShape(w.codebook, {w.Rows(), w.CodeCount()}) ? ""
                                                           : "codebook is not 2^bits values a row";
  }
  return GridFormProblem(w);
}

}  // namespace roundlab
