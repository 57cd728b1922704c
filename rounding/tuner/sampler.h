#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rounding/tuner/tune_options.h"

namespace roundlab {

/// Rows of each step's batch, from one stream of random numbers drawn on the CPU.
class Sampler {
 public:
  Sampler(std::int64_t rows, const TuneOptions& options, std::uint64_t seed);
  at::Tensor Next();  ///< int64 [batch]

 private:
  at::Tensor Permutation();

  std::int64_t rows_;
  std::int64_t batch_;
  SamplerKind kind_;
  at::Generator generator_;
  at::Tensor order_;
  std::int64_t at_ = 0;
};

}  // namespace roundlab
