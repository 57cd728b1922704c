#include "rounding/stages/bias_correction.h"

#include <ATen/ATen.h>

#include "core/config/enum_field.h"
#include "rounding/unit_work.h"

namespace roundlab {
namespace {

const EnumNames<MissingBias> kMissing = {{MissingBias::kAdd, "add"}, {MissingBias::kSkip, "skip"}};

}  // namespace

void BiasCorrection::Options::Fields(FieldVisitor& f) {
  EnumField missing_field(&missing, kMissing);
  f.Value("missing", missing_field, "layers without a bias: give them one, or leave them");
}

StageNeeds BiasCorrection::Needs(const QuantOptions& /*quant*/) const {
  StageNeeds needs;
  needs.tokens = true;
  needs.quantized = true;
  needs.of_quantized.mean = true;
  return needs;
}

void BiasCorrection::Apply(UnitWork* work) const {
  bool any = false;
  for (const std::vector<LinearSlot*>& group : work->SlotsByInput()) {
    work->Measure(group, Chain::kQuantized);
    for (LinearSlot* slot : group) {
      const auto found = work->weights().find(slot->name);
      const auto inputs = work->Statistics(*slot, Chain::kQuantized);
      if (found == work->weights().end() || inputs->tokens == 0) continue;
      if (!slot->bias.defined() && options_.missing == MissingBias::kSkip) continue;
      any = true;
      QuantizedWeight weight = found->second;
      const at::Tensor error = at::mv(slot->weight - weight.Dequantize(), inputs->mean);
      weight.bias = slot->bias.defined() ? slot->bias + error : error;
      work->sink()->Array("layers/" + slot->name + "/bias_correction", {1},
                          {error.norm().item<double>()});
      work->Keep(slot, std::move(weight));
    }
    work->Changed(*group.front());
  }
  if (!any) work->log().Write(work->unit().name() + ": no bias to correct (bias_correction)");
  work->Step();
}

}  // namespace roundlab
