#include "rounding/schemes/gptq.h"

#include <ATen/ATen.h>

#include <sstream>
#include <utility>

#include "core/base/error.h"
#include "rounding/range.h"
#include "rounding/schemes/starting_point.h"

namespace roundlab {
namespace {

const EnumNames<GptqOrder>& OrderNames() {
  static const EnumNames<GptqOrder> names = {{GptqOrder::kColumns, "columns"},
                                             {GptqOrder::kActivation, "activation"},
                                             {GptqOrder::kGroupAware, "group_aware"}};
  return names;
}

/// The grid of weights that stand at `columns`; a whole tensor keeps the layer's own range.
AffineGrid GridOf(const LayerContext& layer, const at::Tensor& weights, const at::Tensor& columns) {
  if (layer.spec.group_size == 0) return MakeGrid(layer.range, layer.spec);
  const at::Tensor groups = weights.to(at::kFloat);
  return MakeGrid(layer.range_of ? layer.range_of(groups, columns) : MinMaxRange(groups),
                  layer.spec);
}

/// Both moments times 2 / tokens; a layer that no token reached has a second moment of 0.
void SetMoments(const InputStatistics& inputs, bool asymmetric, GptqProblem* problem) {
  const at::TensorOptions options = problem->weight.options();
  const std::int64_t in = problem->weight.size(1);
  if (inputs.tokens == 0) {
    problem->hessian = at::zeros({in, in}, options);
    return;
  }
  const double per_token = 2.0 / static_cast<double>(inputs.tokens);
  problem->hessian = (inputs.second_moment * per_token).to(options);
  if (asymmetric && inputs.cross_moment.defined()) {
    problem->cross = (inputs.cross_moment * per_token).to(options);
  }
}

/// e H e^T of each row's error, in the weight's dtype.
at::Tensor RowLosses(const GptqProblem& problem, const QuantizedWeight& rounded) {
  const at::Tensor error = problem.weight - rounded.Dequantize();
  return (at::mm(error, problem.hessian) * error).sum(1);
}

/// Rows of the start where error feedback finds nothing better; how many are told.
QuantizedWeight BetterRows(const GptqProblem& problem, const GptqSolution& solution,
                           const QuantizedWeight& found, const QuantizedWeight& start,
                           std::int64_t* kept) {
  const at::Tensor keep = solution.fallback
                              ? at::ones({found.Rows()}, found.codes.options().dtype(at::kBool))
                              : RowLosses(problem, found) >= RowLosses(problem, start);
  *kept = keep.sum().item<std::int64_t>();
  QuantizedWeight best = start;
  best.codes = at::where(keep.unsqueeze(1), start.codes, found.codes);
  return best;
}

QuantizedWeight ToWeight(const GptqSolution& solution, const LayerContext& layer) {
  QuantizedWeight weight;
  weight.codes = solution.codes;
  weight.scale = solution.scale.to(at::kFloat);
  weight.zero = solution.zero.to(at::kFloat);
  weight.spec = layer.spec;
  const at::Tensor own = at::arange(solution.g_idx.numel(), solution.g_idx.options())
                             .div(layer.Layout().width, "floor");
  const bool grouped_anew = layer.spec.group_size != 0 && !at::equal(own, solution.g_idx);
  if (grouped_anew) weight.g_idx = solution.g_idx;
  return weight;
}

}  // namespace

void Gptq::Options::Fields(FieldVisitor& f) {
  EnumField<GptqOrder> order_field(&settings.order, OrderNames());
  f.Value("order", order_field,
          "columns: as they lie; activation: by falling activity (act-order), groups are formed "
          "in that order; group_aware: the same inside groups and among them");
  f.Bool("static_groups", &settings.static_groups,
         "grids of all groups from the weights as they were, and groups as they lie");
  f.UsedIf(!settings.static_groups, "with static_groups", [this](FieldVisitor& fitted) {
    fitted.Bool("stale_groups", &settings.stale_groups,
                "a group's grid lacks the updates of the block of columns that it begins in, as in "
                "the original code");
  });
  f.Int("block_size", &settings.block_size, AtLeast(1),
        "columns between updates of all columns on the right");
  f.Real("damp", &settings.damp, Between(0, 1), "part of H's mean diagonal that is added to it");
  f.Real("damp_increment", &settings.damp_increment, Between(0, 1),
         "growth of damp, up to 1, while H has no Cholesky factor; 0: nearest codes at once");
  f.Bool("true_sequential", &true_sequential,
         "layers that share an input are rounded before the next inputs of a block are measured");
  f.Bool("asymmetric", &asymmetric, "match outputs on unquantized inputs (GPTAQ)");
  f.UsedIf(asymmetric, "without asymmetric", [this](FieldVisitor& gptaq) {
    gptaq.Real("asymmetric_alpha", &settings.asymmetric_alpha, AtLeast(0),
               "asymmetric only: weight of the difference of the inputs");
  });
  f.Bool("in_double", &in_double, "float64 in place of float32");
}

SchemeTraits Gptq::Traits() const {
  return {.tunable = false,
          .any_device = true,
          .needs = {.inputs = {.second_moment = true,
                               .cross_moment = options_.asymmetric,
                               .in_double = options_.in_double},
                    .sequential = options_.true_sequential,
                    .start = !options_.asymmetric}};
}

LayerTraits Gptq::OnLayer(const LayerShape& layer) const {
  const bool anew = options_.settings.order == GptqOrder::kActivation &&
                    !options_.settings.static_groups && layer.spec.group_size > 0;
  // H twice, and its factor while that is inverted, with what libtorch copies for it; the cross
  // moment twice. The weight as it is handed on, and its codes as numbers.
  const double squares = options_.asymmetric ? 7 : 5;
  const auto in = static_cast<double>(layer.in);
  const double numbers = in * (squares * in + 2 * static_cast<double>(layer.out));
  return {.plain_codes = !anew || layer.spec.group_size >= layer.in,
          .working_bytes = numbers * (options_.in_double ? sizeof(double) : sizeof(float))};
}

std::unique_ptr<LayerRounding> Gptq::Begin(const LayerContext& layer) const {
  if (!layer.inputs) throw Error(layer.name + ": scheme 'gptq' needs calibration data");
  RequireFiniteWeight(layer);
  GptqProblem problem;
  problem.weight = layer.weight.to(options_.in_double ? at::kDouble : at::kFloat);
  SetMoments(*layer.inputs, options_.asymmetric, &problem);
  if (options_.asymmetric && !problem.cross.defined() && layer.inputs->tokens > 0 && layer.tell) {
    layer.tell(
        layer.name +
        ": calibrated symmetrically, since an expert is sent other tokens in the unquantized "
        "model");
  }
  problem.grid = [&](const at::Tensor& weights, const at::Tensor& columns) {
    return GridOf(layer, weights, columns);
  };
  GptqSettings settings = options_.settings;
  if (layer.start) {
    RequirePlainStart(layer);
    settings.static_groups = true;
    problem.grid = [&](const at::Tensor& /*weights*/, const at::Tensor& columns) {
      const std::int64_t group = columns[0].item<std::int64_t>() / layer.Layout().width;
      return AffineGrid{layer.start->scale.select(1, group), layer.start->zero.select(1, group)};
    };
  }
  settings.group_size = layer.spec.group_size;
  settings.code_max = layer.spec.CodeMax();
  const GptqSolution solution = SolveGptq(problem, settings);
  if (solution.fallback && layer.tell) {
    layer.tell(layer.name + ": rounded to nearest, since " + solution.reason);
  }
  const bool grown = !solution.fallback && solution.damp > settings.damp;
  if (grown && layer.tell) {
    std::ostringstream text;
    text << layer.name << ": damping grew from " << settings.damp << " to " << solution.damp
         << ", where its inputs' second moment has a factor";
    layer.tell(text.str());
  }
  QuantizedWeight rounded = ToWeight(solution, layer);
  Diagnostics told = {{"column_loss", {solution.losses.sum().item<double>()}},
                      {"damp", {solution.damp}},
                      {"dead_columns", {static_cast<double>(solution.dead)}},
                      {"fallback", {solution.fallback ? 1.0 : 0.0}}};
  if (grown) told["damping_grown"] = {1};
  if (layer.start) {
    std::int64_t kept = 0;
    rounded = BetterRows(problem, solution, rounded, *layer.start, &kept);
    told["start_rows"] = {static_cast<double>(kept) / static_cast<double>(rounded.Rows())};
  }
  return FixedRounding(std::move(rounded), std::move(told));
}

Work Gptq::WorkOn(const LayerShape& layer) const {
  // Factors and triangular products at a quarter of the rate of plain products, the loop's at two
  // thirds.
  const auto in = static_cast<double>(layer.in);
  const double once = 4 * in * in * in + 3 * in * layer.Weights();
  return {.flops = options_.asymmetric ? 2 * once : once,
          .values = 40 * layer.Weights(),
          .ops = 20 * in};
}

}  // namespace roundlab
