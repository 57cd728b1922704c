#include "rounding/solvers/power_exponent.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "core/quant/power_grid.h"

namespace roundlab {
namespace {

constexpr double kFirstExponent = 0.2;
constexpr std::int64_t kTileWeights = std::int64_t{1} << 20;

/// [n] -> [n + 1], sums of all before.
at::Tensor RunningSum(const at::Tensor& values) {
  return at::cat({at::zeros({1}, values.options()), values.cumsum(0)});
}

}  // namespace

PowerErrors::PowerErrors(const at::Tensor& groups, const at::Tensor& scale, std::int64_t bits)
    : top_(PowerTop(bits)) {
  const std::int64_t rows = std::max<std::int64_t>(kTileWeights / groups.size(1), 1);
  const at::Tensor largest = PowerSize(scale.to(at::kDouble), bits);
  for (std::int64_t first = 0; first < groups.size(0); first += rows) {
    const std::int64_t count = std::min(rows, groups.size(0) - first);
    const at::Tensor size = largest.narrow(0, first, count);
    const at::Tensor part = groups.narrow(0, first, count).to(at::kDouble).abs() / size;
    const at::Tensor square = size.square().expand_as(part);
    const auto [sorted, order] = part.flatten().sort();
    const at::Tensor counted = square.flatten().index_select(0, order);
    tiles_.push_back({sorted, RunningSum(counted), RunningSum(counted * sorted),
                      (part.square() * square).sum()});
  }
}

double PowerErrors::Of(double exponent) const {
  if (tiles_.empty()) return 0;
  const at::TensorOptions options = tiles_.front().part.options();
  // Codes 1 to top; what counts below all of them is decoded to 0 and keeps its square.
  const at::Tensor code = at::arange(1, top_ + 1, options);
  const at::Tensor value = (code / top_).pow(1 / exponent);
  const at::Tensor from = ((code - 0.5) / top_).pow(1 / exponent);
  at::Tensor sum = at::zeros({}, options);
  for (const Tile& tile : tiles_) {
    const at::Tensor begin = at::searchsorted(tile.part, from);
    const at::Tensor bounds = at::cat({begin, at::full({1}, tile.part.size(0), begin.options())});
    const auto between = [&](const at::Tensor& sums) {
      return sums.index_select(0, bounds).diff();
    };
    const at::Tensor gained = value * (2 * between(tile.moment) - value * between(tile.size));
    sum += tile.of_square - gained.sum();
  }
  return sum.item<double>();
}

double PowerError(const at::Tensor& groups, const at::Tensor& scale, double exponent,
                  std::int64_t bits) {
  const double top = PowerTop(bits);
  const at::Tensor largest = PowerSize(scale.to(at::kDouble), bits);
  const at::Tensor part = (groups.to(at::kDouble) / largest).abs_();
  const at::Tensor codes = part.pow(exponent).mul_(top).round_().clamp_max_(top);
  const at::Tensor back = codes.div_(top).pow_(1 / exponent);
  return back.sub_(part).mul_(largest).square_().sum().item<double>();
}

double BestExponent(const at::Tensor& groups, const at::Tensor& scale, std::int64_t bits) {
  const PowerErrors errors(groups, scale, bits);
  double best = 1;
  double least = std::numeric_limits<double>::infinity();
  const auto look = [&](double exponent) {
    const double error = errors.Of(exponent);
    if (!(error < least)) return;
    least = error;
    best = exponent;
  };
  for (int i = 0; i <= 32; ++i) look(kFirstExponent + i / 40.0);
  for (const double step : {1 / 400.0, 1 / 4000.0}) {
    const double middle = best;
    for (int i = -9; i <= 9; ++i) look(middle + i * step);
  }
  return best;
}

}  // namespace roundlab
