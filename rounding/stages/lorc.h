#pragma once

#include "rounding/stage.h"

namespace roundlab {

/// Two thin matrices whose product stands for a larger one.
struct LowRankPair {
  at::Tensor left;         ///< [out, rank]
  at::Tensor right;        ///< [rank, in]
  double kept_energy = 0;  ///< part of |E|^2 that left right holds; 1 where E is 0
};

/// The best approximation of `error` [out, in] of so low a rank, U S V^T cut off:
///   left = U_m S_m^1/2,   right = S_m^1/2 V_m^T
/// in float64, of the given dtype. `rank` is at most the smaller side (checked).
LowRankPair LowRankOf(const at::Tensor& error, std::int64_t rank);

/// LoRC, low-rank compensation (ZeroQuant-V2, arXiv 2303.08302, section 5; no public code): the
/// largest singular vectors of what rounding lost, W - W^, are added to the decoded weight. Valid
/// after any rounding; what stands there already (an earlier pair) is replaced. Kept as float16.
///
/// Records layers/<name>/lorc_kept: the part of |W - W^|^2 that the pair holds.
class Lorc : public Stage {
 public:
  struct Options {
    std::int64_t rank = 8;
    void Fields(FieldVisitor& f);
  };
  explicit Lorc(const Options& options) : options_(options) {}

  StageKind Kind() const override { return StageKind::kRepair; }
  StageNeeds Needs(const QuantOptions& /*quant*/) const override { return {}; }
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
