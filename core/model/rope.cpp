#include "core/model/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace roundlab {
namespace {

at::Tensor Floats(const std::vector<float>& values) {
  return at::tensor(at::ArrayRef<float>(values), at::kFloat);
}

/// theta^(2k / dim), in float32 arithmetic, as the reference has it.
at::Tensor Powers(double theta, std::int64_t dim) {
  const at::Tensor exponent = at::arange(0, dim, 2, at::kFloat) / static_cast<double>(dim);
  return at::pow(theta, exponent);
}

at::Tensor Llama3(const RopeDescription& rope, const at::Tensor& plain) {
  const at::Tensor wavelength = 2 * M_PI / plain;
  const at::Tensor blend = (rope.original_positions / wavelength - rope.low_freq_factor) /
                           (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor between = (1 - blend) * plain / rope.factor + blend * plain;
  const at::Tensor is_long = wavelength > rope.original_positions / rope.low_freq_factor;
  const at::Tensor is_short = wavelength < rope.original_positions / rope.high_freq_factor;
  return at::where(is_long, plain / rope.factor, at::where(is_short, plain, between));
}

at::Tensor Yarn(const RopeDescription& rope, std::int64_t dim) {
  const auto width = static_cast<double>(dim);
  const auto dimension = [&](double rotations) {
    return width * std::log(rope.original_positions / (rotations * 2 * M_PI)) /
           (2 * std::log(rope.theta));
  };
  double low = dimension(rope.beta_fast);
  double high = dimension(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, width - 1);
  if (low == high) high += 0.001;
  const at::Tensor ramp = ((at::arange(dim / 2, at::kFloat) - low) / (high - low)).clamp(0, 1);
  const at::Tensor kept = 1 - ramp;
  const at::Tensor powers = Powers(rope.theta, dim);
  return 1.0 / (rope.factor * powers) * (1 - kept) + 1.0 / powers * kept;
}

double DynamicTheta(const RopeDescription& rope, std::int64_t dim, std::int64_t positions) {
  const double length = std::max(static_cast<double>(positions), rope.original_positions);
  const double stretch = rope.factor * length / rope.original_positions - (rope.factor - 1);
  return rope.theta * std::pow(stretch, static_cast<double>(dim) / static_cast<double>(dim - 2));
}

/// Frequencies of a share of the dimensions; those of the others are 0.
at::Tensor Proportional(const RopeDescription& rope, const at::Tensor& plain) {
  const auto dim = static_cast<double>(2 * plain.numel());
  const auto turning = static_cast<std::int64_t>(std::floor(rope.share * dim / 2));
  at::Tensor frequencies = plain / rope.factor;
  frequencies.narrow(0, turning, plain.numel() - turning).zero_();
  return frequencies;
}

at::Tensor Frequencies(const RopeDescription& rope, std::int64_t dim, std::int64_t positions) {
  if (rope.type == RopeType::kYarn) return Yarn(rope, dim);
  if (rope.type == RopeType::kLongRope) {
    const bool is_long = static_cast<double>(positions) > rope.original_positions;
    return 1.0 /
           (Floats(is_long ? rope.long_factors : rope.short_factors) * Powers(rope.theta, dim));
  }
  if (rope.type == RopeType::kDynamic) {
    return 1.0 / Powers(DynamicTheta(rope, dim, positions), dim);
  }
  at::Tensor plain = 1.0 / Powers(rope.theta, dim);
  if (!rope.divisors.empty()) plain = plain / Floats(rope.divisors);
  if (rope.type == RopeType::kLinear) return plain / rope.factor;
  if (rope.type == RopeType::kProportional) return Proportional(rope, plain);
  return rope.type == RopeType::kLlama3 ? Llama3(rope, plain) : plain;
}

at::Tensor Temper(const TemperDescription& temper, std::int64_t positions) {
  const at::Tensor place = at::arange(positions, at::kFloat) + temper.shift;
  return at::log1p(at::floor(place / temper.positions)) * temper.strength + 1;
}

}  // namespace

RopeTable RopeTable::Select(const at::Tensor& positions) const {
  const auto select = [&](const at::Tensor& table) {
    return table.defined() ? table.index_select(0, positions) : table;
  };
  return {select(cosine), select(sine), {select(local.cosine), select(local.sine)}, select(temper)};
}

RopeTable RopeTable::To(const at::Device& device) const {
  const auto to = [&](const at::Tensor& table) {
    return table.defined() ? table.to(device) : table;
  };
  return {to(cosine), to(sine), {to(local.cosine), to(local.sine)}, to(temper)};
}

RopeTable MakeRopeTable(const RopeDescription& rope, std::int64_t rotary_dim,
                        std::int64_t positions) {
  const at::Tensor angles =
      at::outer(at::arange(positions, at::kFloat), Frequencies(rope, rotary_dim, positions));
  at::Tensor cosine = angles.cos().contiguous();
  at::Tensor sine = angles.sin().contiguous();
  if (rope.attention_factor != 1) {
    cosine.mul_(rope.attention_factor);
    sine.mul_(rope.attention_factor);
  }
  return {cosine, sine, {}, {}};
}

RopeTable MakeRopeTable(const ModelDescription& description, std::int64_t positions) {
  const AttentionPlan attention = description.RotaryPlan(0).attention;
  RopeTable table;
  if (description.temper) table.temper = Temper(*description.temper, positions);
  if (attention.rotary == RotaryStyle::kNone) return table;
  const RopeTable angles = MakeRopeTable(description.rope, attention.rotary_dim, positions);
  table.cosine = angles.cosine;
  table.sine = angles.sine;
  if (description.local_rope) {
    const std::int64_t width = description.RotaryPlan(1).attention.rotary_dim;
    const RopeTable local = MakeRopeTable(*description.local_rope, width, positions);
    table.local = {local.cosine, local.sine};
  }
  return table;
}

std::vector<float> AlibiSlopes(std::int64_t heads) {
  std::int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  const auto n = static_cast<double>(power);
  std::vector<float> slopes;
  for (std::int64_t h = 0; h < heads; ++h) {
    const auto step = static_cast<double>(h < power ? 2 * (h + 1) : 2 * (h - power) + 1);
    slopes.push_back(static_cast<float>(std::pow(2.0, -4 * step / n)));
  }
  return slopes;
}

}  // namespace roundlab
