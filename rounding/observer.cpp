#include "rounding/observer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "rounding/best_range.h"

namespace roundlab {
namespace {

const EnumNames<BatchRange> kRanges = {{BatchRange::kMinMax, "minmax"},
                                       {BatchRange::kMse, "mse"},
                                       {BatchRange::kPercentile, "percentile"},
                                       {BatchRange::kLsq, "lsq"}};
const EnumNames<BatchMerge> kMerges = {{BatchMerge::kExtremes, "extremes"},
                                       {BatchMerge::kAverage, "average"},
                                       {BatchMerge::kLast, "last"}};

GroupRange LeastError(const at::Tensor& view, const ActivationSpec& spec) {
  constexpr int kSteps = 20;
  constexpr int kPatience = 5;
  const GroupRange whole = ActivationRange(view, spec.per, true);
  const auto dims = RangeDims(spec.per, true);
  BestRange best;
  int idle = 0;
  for (int i = 0; i < kSteps && idle < kPatience; ++i) {
    const double p = 1 - static_cast<double>(i) / 100;
    const GroupRange candidate{whole.low * p, whole.high * p};
    const AffineGrid grid = ActivationGrid(candidate, spec);
    const ActivationQuantizer rounding{spec, grid.scale, grid.zero};
    const at::Tensor error = (rounding.ApplyToView(view) - view).abs_().pow_(2.4).sum(dims, true);
    idle = best.Try(candidate, error).any().item<bool>() ? 0 : idle + 1;
  }
  return best.Best();
}

/// Values in the middle `percentile` of each range.
GroupRange Percentile(const at::Tensor& view, RangePer per, double percentile) {
  const GroupRange whole = ActivationRange(view, per, true);
  const auto ranges = whole.low.numel();
  // Dimensions that a range goes over to the end: [ranges, values].
  std::vector<std::int64_t> order;
  const auto dims = RangeDims(per, true);
  for (std::int64_t d = 0; d < 4; ++d) {
    if (std::find(dims.begin(), dims.end(), d) == dims.end()) order.push_back(d);
  }
  order.insert(order.end(), dims.begin(), dims.end());
  const at::Tensor values = std::get<0>(view.permute(order).reshape({ranges, -1}).sort(1));
  const std::int64_t count = values.size(1);
  // A hair more: 0.1 % of 1000 are 1, not 0.99999999999998.
  const double outer = static_cast<double>(count) * (100 - percentile) / 100 * (1 + 1e-9);
  const std::int64_t outside = std::min(static_cast<std::int64_t>(outer), (count - 1) / 2);
  return {values.select(1, outside).reshape(whole.low.sizes()),
          values.select(1, count - 1 - outside).reshape(whole.low.sizes())};
}

/// All steps of a grid around 0, as long as LSQ's first one.
GroupRange FirstSteps(const at::Tensor& view, const ActivationSpec& spec) {
  const at::Tensor mean = view.abs().mean(RangeDims(spec.per, true), true);
  const double steps = spec.HighestCode() - spec.LowestCode();
  const at::Tensor high = mean * (steps / std::sqrt(spec.HighestCode()));
  return {-high, high};
}

}  // namespace

void ObserverOptions::Fields(FieldVisitor& f) {
  EnumField range_field(&range, kRanges);
  f.Value("range", range_field, "static: what a calibration sequence gives");
  EnumField batches_field(&batches, kMerges);
  f.Value("batches", batches_field, "static: what the ranges of sequences become");
  f.UsedIf(batches == BatchMerge::kAverage, "without batches: average", [this](FieldVisitor& g) {
    g.Real("averaging", &averaging, Between(0, 1), "batches: average: the weight of the next one");
  });
  f.UsedIf(range == BatchRange::kPercentile, "without range: percentile", [this](FieldVisitor& g) {
    g.Real("percentile", &percentile, Between(50, 100),
           "range: percentile: this and 100 minus this");
  });
}

RangeObserver::RangeObserver(const ObserverOptions& options, const ActivationSpec& spec)
    : options_(options), spec_(spec) {}

GroupRange RangeObserver::OfBatch(const at::Tensor& view) const {
  switch (options_.range) {
    case BatchRange::kMse:
      return LeastError(view, spec_);
    case BatchRange::kPercentile:
      return Percentile(view, spec_.per, options_.percentile);
    case BatchRange::kLsq:
      return FirstSteps(view, spec_);
    case BatchRange::kMinMax:
      break;
  }
  return ActivationRange(view, spec_.per, true);
}

void RangeObserver::Add(const at::Tensor& x) {
  ROUNDLAB_CHECK(spec_.per != RangePer::kToken, "a token has no static range");
  if (x.numel() == 0) return;
  const at::NoGradGuard no_grad;
  const GroupRange now = OfBatch(ActivationView(x.detach().to(at::kFloat), spec_));
  if (!SeenAny() || options_.batches == BatchMerge::kLast) {
    range_ = now;
  } else if (options_.batches == BatchMerge::kExtremes) {
    range_ = {at::minimum(range_.low, now.low), at::maximum(range_.high, now.high)};
  } else {
    const auto moved = [this](const at::Tensor& from, const at::Tensor& to) {
      return from + options_.averaging * (to - from);
    };
    range_ = {moved(range_.low, now.low), moved(range_.high, now.high)};
  }
}

GroupRange RangeObserver::Range() const {
  ROUNDLAB_CHECK(SeenAny(), "nothing was observed");
  return {range_.low.squeeze(0).squeeze(0), range_.high.squeeze(0).squeeze(0)};
}

ActivationQuantizer RangeObserver::Finish() const { return StaticQuantizer(Range(), spec_); }

ActivationQuantizer StaticQuantizer(const GroupRange& range, const ActivationSpec& spec) {
  const AffineGrid grid = ActivationGrid(range, spec);
  return {spec, grid.scale.contiguous(), grid.zero.contiguous()};
}

}  // namespace roundlab
