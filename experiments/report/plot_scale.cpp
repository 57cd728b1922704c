#include "experiments/report/plot_scale.h"

#include <algorithm>
#include <cmath>

namespace roundlab {
namespace {

constexpr double kMargin = 0.04;  // of the axis, at each end

}  // namespace

PlotScale::PlotScale(const std::vector<double>& values, bool log, double from, double to)
    : log_(log), from_(from), to_(to) {
  std::vector<double> drawn;
  for (const double value : values) {
    if (Draws(value)) drawn.push_back(log ? std::log10(value) : value);
  }
  if (drawn.empty()) drawn = {0, 1};
  low_ = *std::min_element(drawn.begin(), drawn.end());
  high_ = *std::max_element(drawn.begin(), drawn.end());
  if (!log && low_ == 0 && high_ == 0) high_ = 1;
  const bool from_zero = !log && low_ >= 0 && low_ < 0.3 * high_;
  if (!(high_ > low_)) {
    const double half = log ? 0.5 : 0.1 * std::fabs(low_);
    low_ -= half;
    high_ += half;
  }
  const double margin = kMargin * (high_ - low_);
  low_ = from_zero ? 0 : low_ - margin;
  high_ += margin;
  if (!log) return;
  low_ = std::pow(10.0, low_);
  high_ = std::pow(10.0, high_);
}

PlotScale PlotScale::OfRows(std::size_t rows, double from, double to) {
  PlotScale scale;
  scale.from_ = from;
  scale.to_ = to;
  scale.low_ = -0.5;
  scale.high_ = static_cast<double>(rows) - 0.5;
  return scale;
}

bool PlotScale::Draws(double value) const { return std::isfinite(value) && (!log_ || value > 0); }

double PlotScale::operator()(double value) const {
  const double part =
      log_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
  return from_ + part * (to_ - from_);
}

std::vector<Tick> PlotScale::Ticks(int most, bool whole) const {
  auto ticks = log_ ? LogTicks(low_, high_, most) : LinearTicks(low_, high_, most);
  if (!whole) return ticks;
  std::erase_if(ticks,
                [](const Tick& t) { return std::fabs(t.value - std::round(t.value)) > 1e-9; });
  for (Tick& tick : ticks) tick.label = std::to_string(std::llround(tick.value));
  return ticks;
}

std::string PlotScale::Describe() const {
  return std::string(log_ ? "log " : "linear ") + ShortNumber(from_, 6) + " " +
         ShortNumber(to_, 6) + " " + ShortNumber(low_, 10) + " " + ShortNumber(high_, 10);
}

}  // namespace roundlab
