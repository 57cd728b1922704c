#include "rounding/schemes/llm_int8.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/base/error.h"
#include "core/config/enum_field.h"

namespace roundlab {
namespace {

const EnumNames<OutlierColumns> kColumns = {{OutlierColumns::kFloat16, "float16"},
                                            {OutlierColumns::kCodes, "codes"}};

}  // namespace

void LlmInt8::Options::Fields(FieldVisitor& f) {
  f.Real("threshold", &threshold, AtLeast(0),
         "magnitude of inputs that makes their channel an outlier; 0: there are none");
  f.UsedIf(threshold > 0, "with threshold: 0", [this](FieldVisitor& outliers) {
    EnumField<OutlierColumns> columns_field(&columns, kColumns);
    outliers.Value("columns", columns_field,
                   "weights of outlier channels: kept in float16, or coded as all others");
  });
}

std::unique_ptr<LayerRounding> LlmInt8::Begin(const LayerContext& layer) const {
  RequireFiniteWeight(layer);
  if (Splits() && !layer.inputs) {
    throw Error(layer.name + ": scheme 'llm_int8' needs calibration data");
  }
  at::Tensor outliers = at::zeros({layer.weight.size(1)}, at::kBool);
  double unknown = 0;
  if (Splits() && layer.inputs->tokens > 0) {
    const at::Tensor& seen = layer.inputs->absolute_max;
    outliers = seen >= options_.threshold;
    unknown = seen.isnan().sum().item<double>();
  }
  const GroupLayout layout = layer.Layout();
  const double middle = static_cast<double>(std::int64_t{1} << (layer.spec.bits - 1));
  const double top = middle - 1;
  const at::Tensor groups = layout.Split(layer.weight.masked_fill(outliers, 0));
  const at::Tensor reached = groups.abs().amax(1);
  const at::Tensor largest = reached.clamp_min(LimitsOf(layer.spec.scale_dtype).floor * top);
  const at::Tensor codes = (groups * (largest.reciprocal() * top).unsqueeze(1)).round();
  at::Tensor scale = CastScale(largest / top, layer.spec);
  if (Splits()) scale = scale.masked_fill(reached == 0, 0);  // groups of outliers alone
  const AffineGrid grid{scale, at::full({layout.Count()}, middle)};
  QuantizedWeight rounded = FromCodes(codes + middle, grid, layout, layer.spec);
  rounded.spec.grid = GridKind::kSym;  // the zero point needs no storage
  const at::Tensor columns = outliers.nonzero().flatten();
  if (columns.numel() > 0) {
    rounded.kept_columns = columns.to(at::kInt);
    rounded.kept_values =
        layer.weight.index_select(1, columns).to(at::kHalf).to(at::kFloat).contiguous();
  }
  return FixedRounding(
      std::move(rounded),
      {{"outlier_columns", {static_cast<double>(columns.numel())}}, {"nan_columns", {unknown}}});
}

}  // namespace roundlab
