#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/quant/quantized_weight.h"
#include "rounding/stage.h"

namespace roundlab {

/// How the numbers of a low-rank pair are kept.
enum class FactorBits { k8, k16 };

/// Two thin matrices whose product stands for a larger one.
struct LowRankPair {
  at::Tensor left;   ///< [out, rank]
  at::Tensor right;  ///< [rank, in]
};

/// The best approximation of `error` [out, in] of so low a rank, U S V^T cut off:
///   left = U_m S_m^1/2,   right = S_m^1/2 V_m^T
/// in float64, of the given dtype. `rank` is at most the smaller side (checked).
LowRankPair LowRankOf(const at::Tensor& error, std::int64_t rank);

/// Puts the pair beside the codes, in place of an earlier one. 16 bits: both rounded to float16.
/// 8 bits: column k of `left` and row k of `right` become round(127 v / max |v|), half to even,
/// with one scale for both, max |left_k| max |right_k| / 127^2 in float32.
void AttachPair(const LowRankPair& pair, FactorBits bits, QuantizedWeight* weight);

/// LoRC, low-rank compensation (ZeroQuant-V2, arXiv 2303.08302, section 5; no public code): the
/// largest singular vectors of what rounding lost, W - W^, are added to the decoded weight. Valid
/// after any rounding; what stands there already (an earlier pair) is replaced. Kept as float16,
/// or as the paper's 8-bit factors.
///
/// Records layers/<name>/lorc_kept: the part of |W - W^|^2 that the pair takes away; below 0 where
/// 8 bits add more than the rank takes.
class Lorc : public Stage {
 public:
  struct Options {
    std::int64_t rank = 8;
    FactorBits factor_bits = FactorBits::k16;
    void Fields(FieldVisitor& f);
  };
  explicit Lorc(const Options& options) : options_(options) {}
  bool AnyDevice() const override { return true; }

  StageKind Kind() const override { return StageKind::kRepair; }
  double WorkingBytes(const BlockPlan& block) const override;
  Work WorkOn(const BlockPlan& block, const QuantOptions& quant, std::int64_t samples,
              std::int64_t seqlen) const override;
  StageNeeds Needs(const QuantOptions& /*quant*/) const override { return {}; }
  void Check(const ModelDescription& model, const QuantOptions& quant) const override;
  void Apply(UnitWork* work) const override;

 private:
  Options options_;
};

}  // namespace roundlab
