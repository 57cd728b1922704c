#include "rounding/stages/spiq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <limits>

#include "rounding/stages/scale_groups.h"
#include "rounding/unit_work.h"

namespace roundlab {

at::Tensor NormRange(const NormSlot& norm, double spread) {
  const at::Tensor range = (norm.weight + norm.plan.offset).abs() * spread;
  return norm.bias.defined() ? range + norm.bias.abs() : range;
}

void Spiq::Options::Fields(FieldVisitor& f) {
  f.Real("spread", &spread, Above(0), "normalised values are taken to be within this");
  f.Int("bits", &bits, Between(2, 16), "codes that a channel's range is spread over");
}

at::Tensor Spiq::Factors(const NormSlot& norm) const {
  const double codes = std::exp2(static_cast<double>(options_.bits - 1)) - 1;
  const at::Tensor factors = NormRange(norm, options_.spread) / codes;
  const at::Tensor least =
      at::where(factors > 0, factors, std::numeric_limits<double>::infinity()).amin();
  return at::where(factors > 0, factors, at::where(least.isfinite(), least, 1));
}

void Spiq::Apply(UnitWork* work) const {
  const at::NoGradGuard no_grad;
  for (const ScaleGroup& group : FreeGroups(*work, NormGroups(work->unit()), "not scaled")) {
    Fold(group, Factors(*group.norm));
  }
  work->Step();
}

}  // namespace roundlab
