#include "rounding/statistics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/kernels/second_moment.h"

namespace roundlab {
namespace {

void AddTo(at::Tensor* sum, const at::Tensor& value) {
  if (sum->defined()) {
    sum->add_(value);
  } else {
    *sum = value.clone();
  }
}

/// Adds x^T x to `sum`, as AddSecondMoment does: a GPU multiplies 16-bit numbers ten times as fast
/// as those of 32 bits, and their products are exact in float32, in which they are added up.
void AddSquare(at::Tensor* sum, const at::Tensor& x, bool in_double) {
  const bool narrow = x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16;
  if (x.is_cuda() && narrow && !in_double) {
    AddTo(sum, at::mm(x.t(), x, at::kFloat));
  } else if (x.scalar_type() == at::kBFloat16 && !in_double) {
    AddSecondMoment(sum, x);
  } else {
    AddSecondMoment(sum, x.to(in_double ? at::kDouble : at::kFloat));
  }
}

}  // namespace

StatisticsKinds StatisticsKinds::operator|(const StatisticsKinds& other) const {
  StatisticsKinds all;
  all.mean = mean || other.mean;
  all.absolute_mean = absolute_mean || other.absolute_mean;
  all.absolute_max = absolute_max || other.absolute_max;
  all.square_mean = square_mean || other.square_mean;
  all.second_moment = second_moment || other.second_moment;
  all.cross_moment = cross_moment || other.cross_moment;
  all.sample = std::max(sample, other.sample);
  all.in_double = in_double || other.in_double;
  return all;
}

std::optional<std::int64_t> InputStatistics::DeadColumns() const {
  if (tokens == 0) return std::nullopt;
  const auto zeros = [](const at::Tensor& sizes) {
    return (sizes == 0).sum().item<std::int64_t>();
  };
  if (second_moment.defined()) return zeros(second_moment.diagonal());
  for (const at::Tensor* sizes : {&absolute_max, &square_mean, &absolute_mean}) {
    if (sizes->defined()) return zeros(*sizes);
  }
  return std::nullopt;
}

InputStatistics InputStatistics::To(const at::Device& device) const {
  InputStatistics moved = *this;
  for (at::Tensor* t : {&moved.mean, &moved.absolute_mean, &moved.absolute_max, &moved.square_mean,
                        &moved.second_moment, &moved.cross_moment, &moved.sample}) {
    if (t->defined()) *t = t->to(device);
  }
  return moved;
}

double OutputEnergy(const at::Tensor& weight, const at::Tensor& second_moment) {
  constexpr std::int64_t kTileValues = std::int64_t{1} << 18;
  const std::int64_t rows = std::max<std::int64_t>(kTileValues / weight.size(1), 1);
  at::Tensor sum = at::zeros({}, weight.options().dtype(at::kDouble));
  for (const at::Tensor& tile : weight.split(rows)) {
    const at::Tensor wide = tile.to(second_moment.scalar_type());
    sum += (at::mm(wide, second_moment) * wide).sum(at::kDouble);
  }
  return sum.item<double>();
}

InputAccumulator::InputAccumulator(const StatisticsKinds& kinds, std::int64_t tokens)
    : kinds_(kinds),
      stride_(std::max<std::int64_t>(tokens / std::max<std::int64_t>(kinds.sample, 1), 1)) {}

void InputAccumulator::Add(const at::Tensor& inputs, const at::Tensor& original) {
  const at::NoGradGuard no_grad;
  const at::Tensor given = inputs.detach().reshape({-1, inputs.size(-1)});
  if (given.size(0) == 0) return;
  if (kinds_.Channels()) AddChannels(given.to(at::kFloat));
  if (kinds_.second_moment) AddSquare(&second_moment_, given, kinds_.in_double);
  if (kinds_.cross_moment && original.defined()) {
    const at::Tensor wide = given.to(kinds_.in_double ? at::kDouble : at::kFloat);
    const at::Tensor fp = original.detach().reshape({-1, wide.size(1)}).to(wide.scalar_type());
    AddTo(&cross_moment_, at::mm((fp - wide).t(), wide));
  }
  if (kinds_.sample > 0) {
    const std::int64_t first = (stride_ - tokens_ % stride_) % stride_;
    if (first < given.size(0)) {
      const at::Tensor taken = given.slice(0, first, given.size(0), stride_);
      sample_.push_back(taken.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true));
    }
  }
  tokens_ += given.size(0);
}

void InputAccumulator::AddChannels(const at::Tensor& x) {
  if (kinds_.mean) AddTo(&sum_, x.sum(0, false, at::kDouble));
  if (kinds_.absolute_mean) AddTo(&absolute_sum_, x.abs().sum(0, false, at::kDouble));
  if (kinds_.square_mean) AddTo(&square_sum_, x.square().sum(0, false, at::kDouble));
  if (kinds_.absolute_max) {
    const at::Tensor largest = x.abs().amax(0);
    largest_ = largest_.defined() ? at::maximum(largest_, largest) : largest;
  }
}

InputStatistics InputAccumulator::Finish() const {
  InputStatistics s;
  s.tokens = tokens_;
  if (tokens_ == 0) return s;
  const auto count = static_cast<double>(tokens_);
  const auto mean = [count](const at::Tensor& sum) {
    return sum.defined() ? (sum / count).to(at::kFloat) : at::Tensor();
  };
  s.mean = mean(sum_);
  s.absolute_mean = mean(absolute_sum_);
  s.square_mean = mean(square_sum_);
  s.absolute_max = largest_;
  if (kinds_.second_moment) s.second_moment = second_moment_.triu() + second_moment_.triu(1).t();
  s.cross_moment = cross_moment_;
  if (!sample_.empty()) s.sample = at::cat(sample_);
  return s;
}

}  // namespace roundlab
