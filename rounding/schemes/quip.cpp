#include "rounding/schemes/quip.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/config/enum_field.h"
#include "core/config/value_fields.h"
#include "core/quant/incoherence.h"
#include "rounding/solvers/ldlq.h"

namespace roundlab {
namespace {

double Outstanding(const at::Tensor& weight) {
  const double rms = weight.square().mean(at::kDouble).sqrt().item<double>();
  return rms > 0 ? weight.abs().max().item<double>() / rms : 0;
}

class QuipFit {
 public:
  QuipFit(const LayerContext& layer, const Quip::Options& options)
      : layer_(layer),
        options_(options),
        weight_(layer.weight.to(options.in_double ? at::kDouble : at::kFloat)) {}

  std::unique_ptr<LayerRounding> Run() {
    TakeMoment();
    SetBasis();
    const bool own = options_.basis == QuipBasis::kOwn;
    const at::Tensor mixed = own ? weight_ : ToIncoherent(weight_, basis_);
    if (!own && !fallback_) moment_ = MomentInBasis(moment_, basis_);
    Diagnostics told;
    told["incoherence"] = {Outstanding(weight_), Outstanding(mixed)};
    QuantizedWeight best;
    double least = 0;
    for (const double spread : options_.spreads) {
      double loss = 0;
      QuantizedWeight rounded = Round(mixed, spread, &loss);
      if (best.codes.defined() && loss >= least) continue;
      least = loss;
      best = std::move(rounded);
      told["spread"] = {spread};
    }
    const double all = (at::mm(mixed, moment_) * mixed).sum(at::kDouble).item<double>();
    told["relative_loss"] = {all > 0 ? least / all : 0};
    told["dead_columns"] = {static_cast<double>(dead_)};
    told["fallback"] = {fallback_ ? 1.0 : 0.0};
    return FixedRounding(std::move(best), std::move(told));
  }

 private:
  void Fall(const std::string& reason) {
    fallback_ = true;
    moment_ = at::eye(weight_.size(1), weight_.options());
    if (layer_.tell) layer_.tell(layer_.name + ": rounded to nearest, since " + reason);
  }

  void TakeMoment() {
    if (!layer_.inputs) throw Error(layer_.name + ": scheme 'quip' needs calibration data");
    if (layer_.inputs->tokens == 0) return Fall("no token reached it");
    moment_ = layer_.inputs->second_moment.to(weight_.scalar_type()) /
              static_cast<double>(layer_.inputs->tokens);
    if (!moment_.isfinite().all().item<bool>()) return Fall("its inputs are not finite");
    const at::Tensor dead = moment_.diagonal() == 0;
    dead_ = dead.sum().item<std::int64_t>();
    if (dead_ == weight_.size(1)) return Fall("no token reached it");
    weight_ = weight_.masked_fill(dead, 0);
    moment_ = moment_.clone();
    const at::Tensor diagonal = moment_.diagonal();
    const double mean = diagonal.mean().item<double>();
    diagonal.masked_fill_(dead, mean);
    diagonal.add_(options_.damp * mean);
  }

  void SetBasis() {
    if (options_.basis == QuipBasis::kOwn) return;
    basis_ = RandomBasis(weight_.size(0), weight_.size(1), layer_.seed);
    if (options_.basis != QuipBasis::kScaled || fallback_) return;
    const at::Tensor power = weight_.square().sum(0).to(at::kDouble);
    const at::Tensor ratio = at::where(power > 0, moment_.diagonal().to(at::kDouble) / power, 1);
    const at::Tensor root = ratio.sqrt().sqrt();
    const at::Tensor even = root / root.log().mean().exp();
    basis_.column_scale = even.clamp(1e-3, 1e3).to(at::kHalf).to(at::kFloat);
  }

  QuantizedWeight Round(const at::Tensor& mixed, double spread, double* loss) {
    const GroupLayout layout = layer_.Layout();
    const double top = layer_.spec.CodeMax();
    const at::Tensor groups = layout.Split(mixed);
    // What fills the last group up is no weight.
    const at::Tensor counts = layout.Split(at::ones_like(mixed)).sum(1);
    const at::Tensor rms = (groups.square().sum(1) / counts).sqrt();
    const at::Tensor step = CastScale((rms * (2 * spread / top)).to(at::kFloat), layer_.spec);
    // No step of a grid without a 0 is right for zeros.
    const at::Tensor scale = at::where(rms > 0, step, at::zeros_like(step));
    QuantizedWeight rounded;
    rounded.spec = layer_.spec;
    rounded.spec.grid = GridKind::kSym;  // the zero point needs no storage
    rounded.scale = scale.to(at::kFloat).view({layout.scale_rows, layout.per_row}).clone();
    rounded.zero = at::full_like(rounded.scale, top / 2);
    const at::Tensor place = at::arange(layout.in, at::kLong).div(layout.width, "floor");
    const std::int64_t out = layout.out;
    LdlqProblem problem{mixed,
                        moment_,
                        rounded.scale.expand({out, layout.per_row}),
                        rounded.zero.expand({out, layout.per_row}),
                        place,
                        top};
    LdlqSolution solution = SolveLdlq(problem);
    if (!solution.codes.defined()) {
      Fall("its second moment has no Cholesky factor");
      problem.hessian = moment_;
      solution = SolveLdlq(problem);
    }
    rounded.codes = solution.codes;
    rounded.row_signs = basis_.row_signs;
    rounded.column_signs = basis_.column_signs;
    rounded.column_scale = basis_.column_scale;
    *loss = solution.loss;
    return rounded;
  }

  const LayerContext& layer_;
  const Quip::Options& options_;
  at::Tensor weight_;  // [out, in], 0 where a column is dead
  at::Tensor moment_;  // [in, in], damped; in the new basis once it is there
  IncoherentBasis basis_;
  std::int64_t dead_ = 0;
  bool fallback_ = false;
};

const EnumNames<QuipBasis> kBases = {
    {QuipBasis::kScaled, "scaled"}, {QuipBasis::kMixed, "mixed"}, {QuipBasis::kOwn, "own"}};

}  // namespace

LayerTraits Quip::OnLayer(const LayerShape& layer) const {
  // H in its basis and its factor, and the weight.
  const auto in = static_cast<double>(layer.in);
  const double numbers = in * (2 * in + static_cast<double>(layer.out));
  return {.plain_codes = false,  // in its own basis, too: zero points lie between codes
          .working_bytes = numbers * (options_.in_double ? sizeof(double) : sizeof(float))};
}

void Quip::Options::Fields(FieldVisitor& f) {
  EnumField<QuipBasis> basis_field(&basis, kBases);
  f.Value("basis", basis_field,
          "where weights are rounded: mixed with random signs, scaled before or not, or their own");
  f.Real("damp", &damp, Between(0, 1), "part of H's mean diagonal that is added to it");
  RealList spreads_field(&spreads, Above(0));
  f.Value("spreads", spreads_field,
          "root mean squares that a grid reaches to either side; the best of them is taken");
  f.Bool("in_double", &in_double, "float64 in place of float32");
  f.Rule([this] { return spreads.empty() ? "spreads: at least one is needed" : ""; });
}

std::unique_ptr<LayerRounding> Quip::Begin(const LayerContext& layer) const {
  const at::NoGradGuard no_grad;
  RequireFiniteWeight(layer);
  return QuipFit(layer, options_).Run();
}

Work Quip::WorkOn(const LayerShape& layer) const {
  const auto in = static_cast<double>(layer.in);
  return {.flops = 8 * in * in * in + 8 * in * layer.Weights(),
          .values = 100 * layer.Weights(),
          .ops = 20 * in};
}

}  // namespace roundlab
