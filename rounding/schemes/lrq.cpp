#include "rounding/schemes/lrq.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "rounding/schemes/learned_division.h"

namespace roundlab {
namespace {

constexpr std::int64_t kNarrowSide = 4096;
constexpr std::int64_t kWideSide = 8192;

DivisionExponent LowRankExponent(const LayerContext& layer, std::int64_t rank,
                                 const Lrq::Options& options) {
  const std::int64_t out = layer.weight.size(0);
  const std::int64_t in = layer.weight.size(1);
  at::Generator generator = at::detail::createCPUGenerator(layer.seed);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  const at::TensorOptions like = layer.weight.options();
  const at::Tensor left = at::zeros({out, rank}, like).requires_grad_(true);
  const at::Tensor right = at::empty({rank, in})
                               .uniform_(-bound, bound, generator)
                               .to(like.device())
                               .requires_grad_(true);
  DivisionExponent exponent;
  exponent.parameters = {{"low_rank", {left, right}, 1}};
  at::Tensor row;
  at::Tensor column;
  if (options.tune_row) {
    row = at::zeros({out, 1}, like).requires_grad_(true);
    exponent.parameters.push_back({"log_row", {row}, 1});
  }
  if (options.tune_column) {
    column = at::zeros({1, in}, like).requires_grad_(true);
    exponent.parameters.push_back({"log_column", {column}, 1});
  }
  exponent.add = [left, right, row, column](const at::Tensor& start) {
    at::Tensor sum = start + at::mm(left, right);
    if (row.defined()) sum = sum + row;
    if (column.defined()) sum = sum + column;
    return sum;
  };
  return exponent;
}

}  // namespace

void Lrq::Options::Fields(FieldVisitor& f) {
  f.Int("rank", &rank, AtLeast(0),
        "rank of the learned divisor; 0: 1024, or 2048 where both sides are at least 8192, or the "
        "smaller side where that is less");
  f.UsedIf(rank == 0, "with a rank", [this](FieldVisitor& by_shape) {
    by_shape.Bool("full_rank_fallback", &full_rank_fallback,
                  "rank 0 only: the shapes that the reference tunes with FlexRound, so too");
  });
  f.Bool("tune_scale", &tune_scale, "learn the scale s1 of each group");
  f.Bool("tune_row", &tune_row, "learn a divisor of each row");
  f.Bool("tune_column", &tune_column, "learn a divisor of each column");
}

std::int64_t Lrq::PublishedRank(std::int64_t out, std::int64_t in) {
  const std::int64_t rank = out >= kWideSide && in >= kWideSide ? 2048 : 1024;
  return std::min({rank, out, in});
}

bool Lrq::FallsBack(std::int64_t out, std::int64_t in) {
  return (out <= kNarrowSide) != (in <= kNarrowSide) || (out == kWideSide && in == kWideSide);
}

LayerTraits Lrq::OnLayer(const LayerShape& layer) const {
  if (options_.rank == 0 && options_.full_rank_fallback && FallsBack(layer.out, layer.in)) {
    return {.kept = 5};
  }
  const std::int64_t rank = options_.rank > 0 ? options_.rank : PublishedRank(layer.out, layer.in);
  const auto sides = static_cast<double>(rank * (layer.out + layer.in));
  return {.trained = sides / layer.Weights(), .kept = 4.5};
}

std::unique_ptr<LayerRounding> Lrq::Begin(const LayerContext& layer) const {
  const std::int64_t out = layer.weight.size(0);
  const std::int64_t in = layer.weight.size(1);
  if (options_.rank == 0 && options_.full_rank_fallback && FallsBack(out, in)) {
    return DivisionRounding(layer, options_.tune_scale,
                            ElementwiseExponent(layer, options_.tune_row));
  }
  const std::int64_t rank = options_.rank > 0 ? options_.rank : PublishedRank(out, in);
  return DivisionRounding(layer, options_.tune_scale, LowRankExponent(layer, rank, options_));
}

}  // namespace roundlab
