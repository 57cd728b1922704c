#include "rounding/schemes/aqlm.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "core/base/random.h"
#include "core/config/optional_field.h"
#include "rounding/solvers/additive.h"

namespace roundlab {
namespace {

/// t in 16 bits, as a float32 whose gradient passes through.
at::Tensor InHalf(const at::Tensor& t, at::ScalarType type) {
  return t + (t.to(type).to(at::kFloat) - t).detach();
}

class AqlmLayer : public LayerRounding {
 public:
  AqlmLayer(AdditiveCode code, const QuantSpec& spec, bool tuned, Diagnostics diagnostics)
      : code_(std::move(code)), spec_(spec), tuned_(tuned), diagnostics_(std::move(diagnostics)) {
    code_.codebooks = code_.codebooks.detach().requires_grad_(tuned);
    code_.scales = code_.scales.detach().requires_grad_(tuned);
  }

  std::vector<ParameterGroup> Parameters() override {
    if (!tuned_) return {};
    return {{"codebooks", {code_.codebooks}, 1}, {"scales", {code_.scales}, 1}};
  }
  at::Tensor SoftWeight() override { return Stored().Decode(); }
  Diagnostics Diagnose() const override { return diagnostics_; }
  QuantizedWeight Finish() const override {
    const at::NoGradGuard no_grad;
    const AdditiveCode stored = Stored();
    QuantizedWeight weight;
    weight.spec = spec_;
    weight.codes = stored.codes.to(at::kByte);
    weight.codebooks = stored.codebooks.detach().clone();
    weight.scale = stored.scales.detach().clone().unsqueeze(1);
    return weight;
  }

 private:
  /// A power of two goes from scales, which are norms of rows, to vectors, so that both are of a
  /// size that 16 bits hold.
  AdditiveCode Stored() const {
    const std::int64_t in = code_.codes.size(1) * code_.codebooks.size(2);
    const double factor = std::exp2(std::round(std::log2(static_cast<double>(in)) / 2));
    return {code_.codes, InHalf(code_.codebooks * factor, at::kHalf),
            InHalf(code_.scales / factor, TorchType(spec_.scale_dtype))};
  }

  AdditiveCode code_;
  QuantSpec spec_;
  bool tuned_;
  Diagnostics diagnostics_;
};

AdditiveShape ShapeFor(const LayerShape& layer, const Aqlm::Options& options) {
  const std::string place = layer.name + ": scheme 'aqlm'";
  const std::int64_t bits = layer.spec.bits * options.group;
  if (!options.codebooks && bits % options.code_bits != 0) {
    throw Error(place + ": quant.bits " + std::to_string(layer.spec.bits) + " on groups of " +
                std::to_string(options.group) + " are no whole number of codes of " +
                std::to_string(options.code_bits) + " bits (codebooks: N says how many)");
  }
  const AdditiveShape shape = {options.codebooks.value_or(bits / options.code_bits),
                               std::int64_t{1} << options.code_bits, options.group};
  if (layer.in % shape.width != 0) {
    throw Error(place + ": groups of " + std::to_string(shape.width) + " don't fill a row of " +
                std::to_string(layer.in) + " weights");
  }
  const std::int64_t values = shape.count * shape.size * shape.width;
  if (values > layer.out * layer.in) {
    throw Error(place + ": " + std::to_string(shape.count) + " codebooks of " +
                std::to_string(shape.size) + " vectors of " + std::to_string(shape.width) +
                " have more values (" + std::to_string(values) + ") than their matrix (" +
                std::to_string(layer.out * layer.in) + ")");
  }
  return shape;
}

/// H of the class's formula, or the identity, and why.
struct Moment {
  at::Tensor matrix;  // [in, in] float64
  std::string missing;
};

Moment MomentOf(const LayerContext& layer) {
  if (!layer.inputs) throw Error(layer.name + ": scheme 'aqlm' needs calibration data");
  const at::Tensor identity = at::eye(layer.weight.size(1), at::kDouble);
  if (layer.inputs->tokens == 0) return {identity, "no token reached it"};
  const at::Tensor moment =
      layer.inputs->second_moment.to(at::kDouble) / static_cast<double>(layer.inputs->tokens);
  if (!moment.isfinite().all().item<bool>()) return {identity, "its inputs are not finite"};
  if (moment.diagonal().max().item<double>() == 0) return {identity, "its inputs are all 0"};
  return {moment, ""};
}

class AqlmFit {
 public:
  AqlmFit(const LayerContext& layer, const Aqlm::Options& options)
      : layer_(layer), options_(options), random_(layer.seed) {}

  std::unique_ptr<LayerRounding> Run() {
    const AdditiveShape shape = ShapeFor(layer_.Shape(), options_);
    const Moment moment = MomentOf(layer_);
    if (!moment.missing.empty() && layer_.tell) {
      layer_.tell(layer_.name + ": coded for the least error of weights, since " + moment.missing);
    }
    AdditiveCode code = Start(shape);
    best_loss_ = AdditiveLoss(layer_.weight, moment.matrix, code).item<double>();
    diagnostics_["loss_before"] = {best_loss_};
    best_ = code;
    Improve(moment.matrix, &code);
    const at::Tensor books = at::arange(shape.count) * shape.size;
    const auto used = std::get<0>(at::_unique((best_.codes + books).flatten())).numel();
    diagnostics_["loss_after"] = {best_loss_};
    diagnostics_["unused_codes"] = {1 - static_cast<double>(used) /
                                            static_cast<double>(shape.count * shape.size)};
    diagnostics_["fallback"] = {moment.missing.empty() ? 0.0 : 1.0};
    return std::make_unique<AqlmLayer>(best_, layer_.spec, options_.finetune, diagnostics_);
  }

 private:
  AdditiveCode Start(const AdditiveShape& shape) {
    at::Generator generator = at::detail::createCPUGenerator(layer_.seed);
    const std::int64_t points = layer_.weight.numel() / shape.width;
    const auto drawn = [&](std::int64_t /*codebook*/) {
      return at::randperm(points, generator, at::TensorOptions(at::kLong)).narrow(0, 0, shape.size);
    };
    return ResidualClusters(layer_.weight, shape, drawn, options_.kmeans_iterations);
  }

  std::vector<std::int64_t> Shuffled(std::int64_t count) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    random_.Shuffle(&all);
    return all;
  }

  void Improve(const at::Tensor& moment, AdditiveCode* code) {
    AdditiveTuner tuner(layer_.weight, moment, code, options_.lr);
    const auto shuffled = [this](std::int64_t count) { return Shuffled(count); };
    double last = std::numeric_limits<double>::infinity();
    std::int64_t epoch = 0;
    for (; epoch < options_.epochs; ++epoch) {
      const double loss = tuner.Backward();
      if (!std::isfinite(loss)) {
        throw Diverged(layer_.name + ": loss of epoch " + std::to_string(epoch) + " is not finite");
      }
      Remember(*code, loss);
      if (options_.tolerance > 0 && loss >= (1 - options_.tolerance) * last) break;
      last = std::min(last, loss);
      for (std::int64_t step = 0; step < options_.steps; ++step) {
        if (step > 0) tuner.Backward();
        tuner.Step();
        CheckInterrupt();
      }
      code->codes =
          SearchOutputs(layer_.weight, moment, *code, options_.beam, {shuffled, shuffled});
    }
    Remember(*code, AdditiveLoss(layer_.weight, moment, *code).item<double>());
    diagnostics_["epochs"] = {static_cast<double>(epoch)};
  }

  void Remember(const AdditiveCode& code, double loss) {
    if (loss >= best_loss_) return;
    best_loss_ = loss;
    best_ = {code.codes, code.codebooks.detach().clone(), code.scales.detach().clone()};
  }

  const LayerContext& layer_;
  const Aqlm::Options& options_;
  PythonRandom random_;
  Diagnostics diagnostics_;
  AdditiveCode best_;
  double best_loss_ = 0;
};

}  // namespace

void Aqlm::Options::Fields(FieldVisitor& f) {
  f.Int("group", &group, AtLeast(1), "weights of a row that a code stands for");
  f.Int("code_bits", &code_bits, Between(1, 8),
        "bits of a code; a codebook has 2^code_bits vectors");
  OptionalInt codebooks_field(&codebooks, AtLeast(1));
  f.Value("codebooks", codebooks_field,
          "vectors that are summed up; absent: quant.bits group / code_bits");
  f.Int("kmeans_iterations", &kmeans_iterations, AtLeast(0), "of each codebook's start");
  f.Int("beam", &beam, AtLeast(1), "hypotheses that a search of the codes keeps");
  f.Real("lr", &lr, AtLeast(0), "of Adam on codebooks and scales");
  f.Int("epochs", &epochs, AtLeast(0), "tunings and searches at the most");
  f.Int("steps", &steps, AtLeast(1), "of Adam an epoch");
  f.Real("tolerance", &tolerance, Between(0, 1),
         "least part by which an epoch must lower the loss for another; 0: all epochs are run");
  f.Bool("finetune", &finetune,
         "codebooks and scales are tuned by the round stage once codes are found");
}

SchemeTraits Aqlm::Traits() const {
  return {.tunable = options_.finetune,
          .draws = true,
          .on_grid = false,
          .needs = {.inputs = {.second_moment = true, .in_double = true}},
          .quant = {.bits = !options_.codebooks, .group_size = false, .grid = false},
          .tuning =
              "optimizer: {type: adam, lr: 0.00001, beta1: 0.9, beta2: 0.95}\n"
              "schedule: constant\n"};  // of `finetune`
}

void Aqlm::Check(const LayerShape& layer) const { ShapeFor(layer, options_); }

std::unique_ptr<LayerRounding> Aqlm::Begin(const LayerContext& layer) const {
  RequireFiniteWeight(layer);
  return AqlmFit(layer, options_).Run();
}

Work Aqlm::WorkOn(const LayerShape& layer) const {
  constexpr double kUsualEpochs = 15;  // until one lowers the loss by less than `tolerance`
  const std::int64_t bits = layer.spec.bits * options_.group;
  const auto count = static_cast<double>(options_.codebooks.value_or(bits / options_.code_bits));
  const double size = std::exp2(options_.code_bits);
  const auto in = static_cast<double>(layer.in);
  const auto steps = static_cast<double>(options_.steps);
  const double epochs = std::min(static_cast<double>(options_.epochs), kUsualEpochs);
  const double search = 2 * count * static_cast<double>(options_.beam) * in;
  const double start = 2 * count * static_cast<double>(options_.kmeans_iterations) * size;
  return {.flops = (epochs * (6 * steps * in + search) + start) * layer.Weights(),
          .values = epochs * steps * 30 * layer.Weights(),
          .ops = epochs * steps * 60};
}

}  // namespace roundlab
