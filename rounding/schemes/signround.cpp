#include "rounding/schemes/signround.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/config/value_fields.h"
#include "core/kernels/ops.h"
#include "rounding/backward_stepper.h"
#include "rounding/schemes/histogram.h"
#include "rounding/schemes/offset.h"
#include "rounding/schemes/starting_point.h"

namespace roundlab {
namespace {

class SignRoundLayer : public LayerRounding, public BackwardStepper {
 public:
  SignRoundLayer(const LayerContext& layer, const SignRound::Options& options)
      : spec_(layer.spec),
        plain_(PlainGrid(layer.spec)),
        layout_(layer.Layout()),
        range_(layer.range),
        options_(options),
        products_(layer.products),
        groups_(layout_.Split(layer.weight)) {
    if (options_.tune_offset) offset_ = at::zeros_like(groups_);
    if (layer.start) {
      StartingPoint start = StartingPointOf(layer);
      range_ = std::move(start.range);
      offset_ = std::move(start.offset);
    }
    if (options_.tune_offset) offset_.requires_grad_(true);
    if (options_.tune_range) {
      low_factor_ = at::ones_like(range_.low).requires_grad_(true);
      high_factor_ = at::ones_like(range_.high).requires_grad_(true);
    }
  }

  std::vector<ParameterGroup> Parameters() override {
    std::vector<ParameterGroup> groups;
    if (options_.tune_offset) groups.push_back({"offset", {offset_}, 1});
    if (options_.tune_range) {
      groups.push_back({"range", {low_factor_, high_factor_}, options_.range_lr_factor});
    }
    return groups;
  }

  at::Tensor SoftWeight() override {
    if (plain_) {
      const SignSteps steps = std::exchange(steps_, {});
      const at::Tensor rounded =
          RangeFakeQuant({groups_, offset_, range_.low, range_.high, low_factor_, high_factor_,
                          spec_.CodeMax(), TorchType(spec_.scale_dtype), *plain_},
                         products_, steps);
      if (steps.offset > 0 || steps.range > 0) Keep(rounded);
      return layout_.Join(rounded);
    }
    const AffineGrid grid = Grid();
    return layout_.Join(
        FakeQuant(groups_, offset_, grid.scale, grid.zero, spec_.CodeMax(), products_));
  }

  bool StepsInBackward() const override { return plain_.has_value() && TakesSignSteps(groups_); }

  void PlanSteps(const std::vector<double>& lrs) override {
    steps_ = {};
    auto lr = lrs.begin();
    if (options_.tune_offset) steps_.offset = *lr++;
    if (options_.tune_range) steps_.range = *lr++;
    steps_.offset_bound = options_.offset_clamp;
    if (made_.defined() && made_of_ == Versions()) steps_.made = made_;
  }

  bool Project(double /*progress*/) override {
    if (made_.defined() && made_of_ == Versions()) return false;  // the step has done it
    const at::NoGradGuard no_grad;
    if (options_.tune_range) {
      low_factor_.clamp_(0, 1);
      high_factor_.clamp_(0, 1);
    }
    if (options_.tune_offset && options_.offset_clamp > 0) {
      offset_.clamp_(-options_.offset_clamp, options_.offset_clamp);
    }
    return false;
  }

  Latent Latents() const override {
    return OffsetLatent(groups_, offset_, Grid(), spec_.CodeMax());
  }

  Diagnostics Diagnose() const override {
    Diagnostics d;
    DescribeOffset(offset_, layout_, &d);
    if (options_.tune_range) {
      d["range_low_factor_histogram"] = Histogram(low_factor_.detach(), 0, 1, 20);
      d["range_high_factor_histogram"] = Histogram(high_factor_.detach(), 0, 1, 20);
      d["range_drift"] = {1 - low_factor_.detach().mean().item<double>(),
                          1 - high_factor_.detach().mean().item<double>()};
    }
    return d;
  }

  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    return QuantizeAffine(groups_, offset_, Grid(), layout_, spec_);
  }

 private:
  /// Its backward pass will make the moved state's soft weight in its place: the next one, as long
  /// as nobody else changes the state.
  void Keep(const at::Tensor& rounded) {
    made_ = rounded.detach();
    made_of_ = Versions();
  }
  std::vector<std::int64_t> Versions() const {
    std::vector<std::int64_t> versions;
    for (const at::Tensor* t : {&offset_, &low_factor_, &high_factor_}) {
      versions.push_back(t->defined() ? t->_version() : 0);
    }
    return versions;
  }

  AffineGrid Grid() const {
    if (!options_.tune_range) return MakeGrid(range_, spec_);
    return MakeGrid({range_.low * low_factor_, range_.high * high_factor_}, spec_);
  }

  QuantSpec spec_;
  std::optional<SymmetricGrid> plain_;  // the grid's formula, where RangeFakeQuant has it
  GroupLayout layout_;
  GroupRange range_;
  SignRound::Options options_;
  at::ScalarType products_;
  SignSteps steps_;  // of the next soft weight
  at::Tensor made_;  // the soft weight of the state with made_of_, or undefined
  std::vector<std::int64_t> made_of_;
  at::Tensor groups_;       // [groups, width], the weight
  at::Tensor offset_;       // [groups, width], V of the paper
  at::Tensor low_factor_;   // [groups], beta of the paper
  at::Tensor high_factor_;  // [groups], alpha of the paper
};

}  // namespace

void SignRound::Options::Fields(FieldVisitor& f) {
  f.Bool("tune_offset", &tune_offset, "learn the rounding offset V of each weight");
  f.Bool("tune_range", &tune_range, "learn a factor in [0, 1] for both ends of each group's range");
  f.UsedIf(tune_offset, "without tune_offset", [this](FieldVisitor& offset) {
    offset.Real(
        "offset_clamp", &offset_clamp, Between(0, kMostInFloat),
        "keep |V| at most this; 0 leaves the bound to the step sizes, as the reference does");
  });
  f.UsedIf(tune_range, "without tune_range", [this](FieldVisitor& range) {
    range.Real("range_lr_factor", &range_lr_factor, Above(0),
               "learning rate of the range factors, as a multiple of the stage's");
  });
}

SignRound::SignRound(const Options& options) : options_(options) {}

std::unique_ptr<LayerRounding> SignRound::Begin(const LayerContext& layer) const {
  return std::make_unique<SignRoundLayer>(layer, options_);
}

}  // namespace roundlab
