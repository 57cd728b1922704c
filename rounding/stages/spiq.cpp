#include "rounding/stages/spiq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

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

void Spiq::Apply(UnitWork* work) const {
  const at::NoGradGuard no_grad;
  const double codes = std::exp2(static_cast<double>(options_.bits - 1)) - 1;
  for (const ScaleGroup& group : FreeGroups(*work, NormGroups(work->unit()), "not scaled")) {
    const at::Tensor range = NormRange(*group.norm, options_.spread);
    Fold(group, at::where(range > 0, range / codes, 1));
  }
  work->Step();
}

}  // namespace roundlab
