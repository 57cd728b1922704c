#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace roundlab::testing {

/// Normal numbers times `spread`, float32; the same for the same shape and seed.
inline at::Tensor RandomTensor(at::IntArrayRef shape, std::uint64_t seed, double spread = 1) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor numbers = at::randn(shape, generator, at::TensorOptions(at::kFloat));
  return spread == 1 ? numbers : numbers * spread;
}

/// Numbers from 0 to count - 1, int64.
inline at::Tensor RandomIds(at::IntArrayRef shape, std::uint64_t seed, std::int64_t count) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randint(count, shape, generator, at::TensorOptions(at::kLong));
}

}  // namespace roundlab::testing
