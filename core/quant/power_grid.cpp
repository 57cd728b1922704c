#include "core/quant/power_grid.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"

namespace roundlab {

double PowerTop(std::int64_t bits) {
  return static_cast<double>((std::int64_t{1} << (bits - 1)) - 1);
}

at::Tensor PowerValues(std::int64_t bits, double exponent) {
  ROUNDLAB_CHECK(exponent > 0, "a power above 0");
  const std::int64_t middle = std::int64_t{1} << (bits - 1);
  const double top = PowerTop(bits);
  at::Tensor values = at::empty({2 * middle}, at::kFloat);
  auto* out = values.mutable_data_ptr<float>();
  for (std::int64_t code = 0; code < 2 * middle; ++code) {
    const auto d = static_cast<double>(code - middle);
    out[code] =
        static_cast<float>(std::copysign(top * std::pow(std::abs(d) / top, 1 / exponent), d));
  }
  return values;
}

at::Tensor PowerSize(const at::Tensor& scale, std::int64_t bits) {
  return (scale * PowerTop(bits)).unsqueeze(1);
}

at::Tensor PowerPositions(const at::Tensor& groups, const at::Tensor& scale, double exponent,
                          std::int64_t bits) {
  const at::Tensor part = groups / PowerSize(scale, bits);
  return part.abs().pow(exponent).mul(part.sign()).mul(PowerTop(bits));
}

}  // namespace roundlab
