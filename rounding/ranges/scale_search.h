#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/quant/groups.h"
#include "rounding/range.h"

namespace roundlab {

/// The scale of each group under which rounding to codes -n .. n - 1, n = 2^(bits-1), leaves the
/// least sum of importance (w - scale code)^2 (intel/auto-round 0.16.1, data_type/int.py,
/// search_scales; after ggml's make_qx_quants). With e the weight of largest magnitude, the first
/// of equal ones, the candidates are
///   1 / scale = -(n - step i) / e,   i = 0, then -m .. m,
/// and a later one must be strictly better: m = 90, step = 0.01 at 2 bits, else m = 100, step =
/// 0.0075 n. |scale| is at least 1e-5; a group of zeros gets +1e-5.
/// groups: [groups, width] float32; importance: the same, or undefined for 1. -> [groups] float32,
/// of either sign.
at::Tensor SearchScale(const at::Tensor& groups, std::int64_t bits, const at::Tensor& importance);

/// columns [in], sum x^2 of each input, as SearchScale takes it: [groups, width], with 1e-5 in the
/// filling of groups that are not full.
at::Tensor SpreadImportance(const at::Tensor& columns, const GroupLayout& layout);

/// auto-round's repair of an importance that has zeros (`_imatrix_handle_zero`), for its one-shot
/// variant opt_rtn: in a group where more than half of them are zero all become |w| (up to 3 bits)
/// or |w| + sqrt(sum w^2 / 32), in others the zeros become the mean of the rest. A group of more
/// than half is meant by its own width; the reference takes the group size as configured, so that
/// it replaces all for groups of whole rows.
at::Tensor FillImportance(const at::Tensor& importance, const at::Tensor& groups,
                          std::int64_t bits);

/// The range whose sym_full grid has these scales, exactly.
GroupRange RangeOfScale(const at::Tensor& scale, std::int64_t bits);

/// What a layer's inputs in the unquantized model say of its columns, as SearchScale takes it;
/// undefined where the layer does not know.
at::Tensor ImportanceOf(const LayerContext& layer);

/// SearchScale as a range, for sym_full grids; any other keeps the min-max range. With scheme rtn
/// it is auto-round's opt_rtn. `weighted` takes the inputs' importance, zeros filled, where the
/// layer knows it.
class ScaleSearchEstimator : public RangeEstimator {
 public:
  struct Options {
    bool weighted = true;
    void Fields(FieldVisitor& f);
  };
  explicit ScaleSearchEstimator(const Options& options) : options_(options) {}
  GroupRange Estimate(const LayerContext& layer) const override;
  Work WorkOn(const LayerShape& layer) const override;
  bool SearchesOn(GridKind grid) const override { return grid == GridKind::kSymFull; }
  LayerNeeds Uses() const override;

 private:
  Options options_;
};

/// Statistics that ImportanceOf reads, if `weighted`.
LayerNeeds ImportanceNeeds(bool weighted);

}  // namespace roundlab
