#include "rounding/schemes/tesseraq.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/config/value_fields.h"
#include "core/kernels/ops.h"
#include "core/kernels/reference.h"
#include "rounding/schemes/histogram.h"
#include "rounding/schemes/starting_point.h"
#include "rounding/solvers/linear_quantile.h"

namespace roundlab {
namespace {

constexpr double kLeastSpan = 1e-5;
/// A logit whose sigmoid is 0 or 1 with no gradient. Not infinite, of which weight decay makes NaN,
/// and so far out that no decay brings it half way back.
constexpr float kHardened = 1e6F;

class TesseraQLayer : public LayerRounding {
 public:
  TesseraQLayer(const LayerContext& layer, const TesseraQ::Options& options)
      : spec_(layer.spec), layout_(layer.Layout()), options_(options) {
    const at::Tensor groups = layout_.Split(layer.weight);
    grid_ = StartingGrid(layer, groups);
    grid_.scale = grid_.scale.to(at::kFloat);
    const at::Tensor position = groups / grid_.scale.unsqueeze(1);
    floor_ = position.floor();
    logit_ = reference::RectifiedLogit(position - floor_);
    logit_.requires_grad_(true);
    factor_logit_ = at::zeros_like(grid_.zero);
    stage_ = at::full({1}, -1, groups.options().dtype(at::kLong));
    if (options.tune_scale) factor_logit_.requires_grad_(true);
  }

  std::vector<ParameterGroup> Parameters() override {
    std::vector<ParameterGroup> all{{"logit", {logit_}, 1}};
    if (options_.tune_scale) {
      all.push_back({"scale_factor", {factor_logit_}, options_.scale_lr_factor});
    }
    return all;
  }

  at::Tensor SoftWeight() override {
    const at::Tensor soft =
        AdaRoundWeight(floor_, logit_, grid_.scale, grid_.zero, spec_.CodeMax());
    if (!options_.tune_scale) return layout_.Join(soft);
    return layout_.Join(soft * (Scale() / grid_.scale).unsqueeze(1));
  }

  at::Tensor Penalty(double /*progress*/) override {
    if (!options_.tune_scale || options_.scale_decay == 0) return {};
    return factor_logit_.square().sum() * (options_.scale_decay / 2);
  }

  bool Project(double progress) override {
    const auto stages = static_cast<std::int64_t>(options_.thresholds.size());
    // A hair more, since the quotient may lie below the stage it stands for.
    const auto stage =
        static_cast<std::int64_t>(progress * static_cast<double>(stages) * (1 + 1e-12));
    const at::NoGradGuard no_grad;
    if (stage == stage_.item<std::int64_t>()) return false;
    stage_.fill_(stage);
    if (stage >= stages) {
      logit_.copy_(at::where(logit_ >= 0, kHardened, -kHardened));
      return false;
    }
    const at::Tensor soft = reference::RectifiedSigmoid(logit_);
    const double border = LinearQuantile(layout_.Join(soft - 0.5).abs(),
                                         options_.thresholds[static_cast<std::size_t>(stage)]);
    logit_.masked_fill_(soft > 0.5 + border, kHardened);
    logit_.masked_fill_(soft < 0.5 - border, -kHardened);
    return true;
  }

  std::vector<at::Tensor> State() override { return {stage_}; }

  Diagnostics Diagnose() const override {
    const at::NoGradGuard no_grad;
    Diagnostics d;
    const at::Tensor logit = layout_.Join(logit_);
    d["frozen"] = {(logit.abs() >= kHardened / 2).to(at::kDouble).mean().item<double>()};
    d["soft_histogram"] = Histogram(reference::RectifiedSigmoid(logit), 0, 1, 20);
    if (options_.tune_scale) d["scale_factor_histogram"] = Histogram(Factor(), 0.9, 1.1, 20);
    return d;
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    const at::Tensor up = (logit_ >= 0).to(at::kFloat);
    const at::Tensor codes = (floor_ + up).add_(grid_.zero.unsqueeze(1)).clamp_(0, spec_.CodeMax());
    AffineGrid grid = grid_;
    if (options_.tune_scale) grid.scale = Scale();
    return FromCodes(codes, grid, layout_, spec_);
  }

 private:
  AffineGrid StartingGrid(const LayerContext& layer, const at::Tensor& groups) const {
    if (layer.start) {
      RequirePlainStart(layer);
      return {layer.start->scale.flatten(), layer.start->zero.flatten()};
    }
    const bool tight = options_.own_range && spec_.grid == GridKind::kAsym;
    return tight ? TightGrid(groups) : MakeGrid(layer.range, spec_);
  }
  AffineGrid TightGrid(const at::Tensor& groups) const {
    const at::Tensor low = groups.amin(1);
    return MakeGrid({low, at::maximum(groups.amax(1), low + kLeastSpan)}, spec_);
  }
  /// 2 h(v) s, as spec.scale_dtype has it.
  at::Tensor Scale() const {
    return grid_.scale.sign() * CastScalePast(grid_.scale.abs() * Factor(), spec_);
  }
  at::Tensor Factor() const { return 2 * reference::RectifiedSigmoid(factor_logit_); }

  QuantSpec spec_;
  GroupLayout layout_;
  TesseraQ::Options options_;
  AffineGrid grid_;
  at::Tensor floor_;         // [groups, width], floor(w / s)
  at::Tensor logit_;         // [groups, width], V of the formula
  at::Tensor factor_logit_;  // [groups], v of the formula
  at::Tensor stage_;         // int64, whose freezing is done
};

}  // namespace

void TesseraQ::Options::Fields(FieldVisitor& f) {
  RealList thresholds_field(&thresholds, Between(0, 1));
  f.Value("thresholds", thresholds_field,
          "part of a layer's weights that each stage leaves soft, one a stage, falling");
  f.Bool("tune_scale", &tune_scale, "learn a factor in [0, 2] on the decode's scale of each group");
  f.UsedIf(tune_scale, "without tune_scale", [this](FieldVisitor& scale) {
    scale.Real("scale_lr_factor", &scale_lr_factor, Above(0),
               "learning rate of the scale factors, as a multiple of the stage's");
    scale.Real("scale_decay", &scale_decay, AtLeast(0),
               "weight decay of the scale factors' parameters, as a term of the loss");
  });
  f.Bool("own_range", &own_range,
         "asym grids: from minimum to maximum, which need not have 0 between them, as the "
         "reference does; false: the stage's range");
  f.Rule([this]() -> std::string {
    if (thresholds.empty()) return "thresholds: at least one stage is needed";
    if (!std::is_sorted(thresholds.rbegin(), thresholds.rend())) return "thresholds must not rise";
    return "";
  });
}

std::unique_ptr<LayerRounding> TesseraQ::Begin(const LayerContext& layer) const {
  return std::make_unique<TesseraQLayer>(layer, options_);
}

}  // namespace roundlab
