#include "rounding/schemes/signround_v2.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/kernels/ops.h"
#include "rounding/ranges/scale_search.h"
#include "rounding/schemes/histogram.h"
#include "rounding/schemes/offset.h"
#include "rounding/schemes/signround.h"

namespace roundlab {
namespace {

constexpr double kMostScaleFactor = 2;

class SignRoundV2Layer : public LayerRounding {
 public:
  SignRoundV2Layer(const LayerContext& layer, const SignRoundV2::Options& options)
      : spec_(layer.spec),
        layout_(layer.Layout()),
        options_(options),
        groups_(layout_.Split(layer.weight)),
        range_(options.own_range ? SearchedRange(layer) : layer.range) {
    if (options_.tune_offset) offset_ = at::zeros_like(groups_).requires_grad_(true);
    if (options_.tune_scale) factor_ = at::ones_like(range_.low).requires_grad_(true);
  }

  std::vector<ParameterGroup> Parameters() override {
    std::vector<ParameterGroup> groups;
    if (options_.tune_offset) groups.push_back({"offset", {offset_}, 1});
    if (options_.tune_scale) groups.push_back({"scale", {factor_}, options_.scale_lr_factor});
    return groups;
  }

  at::Tensor SoftWeight() override {
    const AffineGrid grid = Grid();
    return layout_.Join(FakeQuant(groups_, offset_, grid.scale, grid.zero, spec_.CodeMax()));
  }

  bool Project(double /*progress*/) override {
    const at::NoGradGuard no_grad;
    if (options_.tune_scale) factor_.clamp_(0, kMostScaleFactor);
    return false;
  }

  Latent Latents() const override {
    return OffsetLatent(groups_, offset_, Grid(), spec_.CodeMax());
  }

  Diagnostics Diagnose() const override {
    Diagnostics d;
    DescribeOffset(offset_, layout_, &d);
    if (options_.tune_scale) {
      d["scale_factor_histogram"] = Histogram(factor_.detach(), 0, kMostScaleFactor, 20);
    }
    return d;
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    return QuantizeAffine(groups_, offset_, Grid(), layout_, spec_);
  }

 private:
  GroupRange SearchedRange(const LayerContext& layer) const {
    const at::Tensor importance = options_.weighted ? ImportanceOf(layer) : at::Tensor();
    return RangeOfScale(SearchScale(groups_, spec_.bits, importance), spec_.bits);
  }
  AffineGrid Grid() const {
    if (!options_.tune_scale) return MakeGrid(range_, spec_);
    return MakeGrid({range_.low * factor_, range_.high * factor_}, spec_);
  }

  QuantSpec spec_;
  GroupLayout layout_;
  SignRoundV2::Options options_;
  at::Tensor groups_;  // [groups, width], the weight
  GroupRange range_;   // whose sym_full scale is s0
  at::Tensor offset_;  // [groups, width], V of the formula
  at::Tensor factor_;  // [groups], c of the formula
};

}  // namespace

void SignRoundV2::Options::Fields(FieldVisitor& f) {
  f.Bool("tune_offset", &tune_offset, "learn the rounding offset V of each weight");
  f.Bool("tune_scale", &tune_scale, "learn a factor in [0, 2] on the scale of each group");
  f.UsedIf(tune_scale, "without tune_scale", [this](FieldVisitor& scale) {
    scale.Real("scale_lr_factor", &scale_lr_factor, Above(0),
               "learning rate of the scale factors, as a multiple of the stage's");
  });
  f.Bool("own_range", &own_range,
         "start from the scale of least rounding error; false: from the stage's range");
  f.UsedIf(own_range, "without own_range", [this](FieldVisitor& search) {
    search.Bool("weighted", &weighted,
                "own_range only: weight each weight's error by the sum of its inputs' squares in "
                "the unquantized model");
  });
}

SchemeTraits SignRoundV2::Traits() const {
  return {.tunable = options_.tune_offset || options_.tune_scale,
          .tells_latents = true,
          .any_device = true,
          .needs = ImportanceNeeds(options_.own_range && options_.weighted),
          .tuning =
              "lr_times_steps: 1\nlr_doubled_from: 1000\n"
              "loss: {type: trimmed_mse, below_bits: 4, inputs_up_to_bits: 4, sym_full_only: "
              "true}\n"};
}

GridTraits SignRoundV2::OnGrid(const QuantSpec& spec) const {
  const bool itself = spec.grid == GridKind::kSymFull;
  return {.takes = IsUniform(spec.grid),
          .own_range = itself && options_.own_range,
          .steps_in_backward = !itself && PlainGrid(spec).has_value(),
          .in_place = itself ? "" : "signround"};
}

std::unique_ptr<LayerRounding> SignRoundV2::Begin(const LayerContext& layer) const {
  if (layer.spec.grid == GridKind::kSymFull)
    return std::make_unique<SignRoundV2Layer>(layer, options_);
  SignRound::Options first;
  first.tune_offset = options_.tune_offset;
  first.tune_range = options_.tune_scale;
  first.range_lr_factor = options_.scale_lr_factor;
  return SignRound(first).Begin(layer);
}

}  // namespace roundlab
