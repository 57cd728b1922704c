#include "core/quant/incoherence.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// Hartley's matrix of an odd size, not normalized.
at::Tensor Hartley(std::int64_t size, const at::TensorOptions& options) {
  const at::Tensor place = at::arange(size, at::kLong);
  // Exact products modulo the size, so that angles stay small.
  const at::Tensor turns = at::outer(place, place).remainder(size).to(at::kDouble);
  const at::Tensor angle = turns * (2 * M_PI / static_cast<double>(size));
  return (angle.cos() + angle.sin()).to(options);
}

/// Signs as a row of factors.
at::Tensor Factors(const at::Tensor& signs, const at::Tensor& like) {
  return 1 - 2 * signs.to(like.scalar_type());
}

at::Tensor ColumnFactors(const IncoherentBasis& basis, const at::Tensor& like) {
  const at::Tensor signs = Factors(basis.column_signs, like);
  if (!basis.column_scale.defined()) return signs;
  return signs * basis.column_scale.to(like.scalar_type());
}

}  // namespace

at::Tensor HadamardTransform(const at::Tensor& x) {
  const std::int64_t n = x.size(-1);
  ROUNDLAB_CHECK(n > 0 && x.is_floating_point(), "real numbers to mix");
  if (x.element_size() < 4) return HadamardTransform(x.to(at::kFloat)).to(x.scalar_type());
  const std::int64_t power = n & -n;
  const std::int64_t odd = n / power;
  at::Tensor y = x.reshape({-1, odd, power});
  if (odd > 1) y = at::matmul(Hartley(odd, x.options()), y);
  for (std::int64_t half = 1; half < power; half *= 2) {
    const at::Tensor pairs = y.reshape({-1, power / (2 * half), 2, half});
    const at::Tensor a = pairs.select(2, 0);
    const at::Tensor b = pairs.select(2, 1);
    y = at::stack({a + b, a - b}, 2);
  }
  return (y / std::sqrt(static_cast<double>(n))).reshape(x.sizes());
}

IncoherentBasis RandomBasis(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const auto signs = [&](std::int64_t n) {
    return at::randint(0, 2, {n}, generator, at::TensorOptions(at::kLong)).to(at::kByte);
  };
  IncoherentBasis basis;
  basis.row_signs = signs(out);
  basis.column_signs = signs(in);
  return basis;
}

at::Tensor ToIncoherent(const at::Tensor& weight, const IncoherentBasis& basis) {
  const at::Tensor columns = HadamardTransform(weight * ColumnFactors(basis, weight));
  return HadamardTransform(columns.t() * Factors(basis.row_signs, weight)).t().contiguous();
}

at::Tensor FromIncoherent(const at::Tensor& mixed, const IncoherentBasis& basis) {
  const at::Tensor rows = (HadamardTransform(mixed.t()) * Factors(basis.row_signs, mixed)).t();
  return (HadamardTransform(rows.contiguous()) / ColumnFactors(basis, mixed)).contiguous();
}

at::Tensor MomentInBasis(const at::Tensor& moment, const IncoherentBasis& basis) {
  const at::Tensor factors = ColumnFactors(basis, moment);
  const at::Tensor half = HadamardTransform(moment / factors);
  return HadamardTransform((half / factors.unsqueeze(1)).t().contiguous());
}

}  // namespace roundlab
