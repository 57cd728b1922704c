#include "rounding/stages/quantizer_options.h"

#include <ATen/ATen.h>

#include "core/config/enum_field.h"
#include "rounding/layer_pattern.h"

namespace roundlab {
namespace {

const EnumNames<RangeSource> kSources = {{RangeSource::kDynamic, "dynamic"},
                                         {RangeSource::kStatic, "static"}};
const EnumNames<RangeSource> kSourcesOfInputs = {{RangeSource::kDynamic, "dynamic"},
                                                 {RangeSource::kStatic, "static"},
                                                 {RangeSource::kNorm, "norm"}};

}  // namespace

void QuantizerOptions::Fields(FieldVisitor& f, bool with_norms, bool grouped) {
  f.Int("bits", &bits, Between(2, 16), "bits of a value");
  EnumField grid_field(&grid, CodeKindNames());
  f.Value("grid", grid_field,
          "sym: +-max on all codes; sym_restricted: without the lowest code; asym: min to max with "
          "0; centered: min to max, 0 need not be in it");
  f.UsedIf(grouped, "where no scale is a group's", [this](FieldVisitor& groups) {
    groups.Int("group_size", &group_size, AtLeast(1),
               "per: group: neighbouring channels that share one");
  });
  EnumField source_field(&ranges, with_norms ? kSourcesOfInputs : kSources);
  f.Value("ranges", source_field,
          with_norms ? "dynamic: of the tensor itself; static: of the calibration sequences; norm: "
                       "|bias| + spread |weight| of the norm before it, without data"
                     : "dynamic: of the tensor itself; static: of the calibration sequences");
  if (with_norms) {
    f.UsedIf(ranges == RangeSource::kNorm, "without ranges: norm", [this](FieldVisitor& norms) {
      norms.Real("spread", &spread, Above(0), "ranges: norm: of what is normalised");
    });
    f.Real("threshold", &threshold, AtLeast(0),
           "channels that reach it in a text stay as they are, as LLM.int8() has it (there: 6); 0: "
           "none");
  }
  f.UsedIf(ranges == RangeSource::kStatic, "without ranges: static",
           [this](FieldVisitor& seen) { observer.Fields(seen); });
  f.String(
      "match", &match,
      with_norms
          ? "regular expression of whole layer names; empty: all that are rounded"
          : "regular expression of whole names of layers that make keys or values; empty: all, "
            "rounded or not");
  f.Rule([this] { return PatternProblem(match); });
}

bool QuantizerOptions::Matches(const std::string& layer) const {
  return match.empty() || MatchesLayer(match, layer);
}

ActivationSpec QuantizerOptions::Spec(RangePer per) const {
  ActivationSpec spec;
  spec.bits = bits;
  spec.grid = grid;
  spec.per = per;
  spec.threshold = threshold;
  if (per == RangePer::kGroup) spec.group_size = group_size;
  return spec;
}

std::string QuantizerOptions::RangeProblem(RangePer per) const {
  const bool plain = grid == CodeKind::kSymRestricted && per == RangePer::kToken && !Static();
  if (threshold > 0 && !plain) {
    return "threshold needs grid: sym_restricted, per: token and ranges: dynamic";
  }
  return Static() && per == RangePer::kToken
             ? "per: token needs ranges: dynamic: a token's range is its own"
             : "";
}

StageNeeds QuantizerOptions::Needs() const {
  StageNeeds needs;
  needs.tokens = needs.quantized = ranges == RangeSource::kStatic;
  return needs;
}

std::shared_ptr<const ActivationQuantizer> QuantizerOptions::Dynamic(RangePer per) const {
  if (Static()) return nullptr;
  return std::make_shared<const ActivationQuantizer>(ActivationQuantizer{Spec(per)});
}

void Observe(const at::Tensor& x, RangeObserver* observer) {
  if (x.dim() < 3) return observer->Add(x);
  for (std::int64_t i = 0; i < x.size(0); ++i) observer->Add(x.narrow(0, i, 1));
}

}  // namespace roundlab
