#include "rounding/tuner/sampler.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

namespace roundlab {

Sampler::Sampler(std::int64_t rows, const TuneOptions& options, std::uint64_t seed)
    : rows_(rows),
      batch_(std::min(options.batch, rows)),
      kind_(options.sampler),
      generator_(at::detail::createCPUGenerator(seed)) {}

at::Tensor Sampler::Next() {
  if (kind_ == SamplerKind::kPermutation) return Permutation().narrow(0, 0, batch_);
  if (!order_.defined() || at_ + batch_ > rows_) {
    order_ = kind_ == SamplerKind::kCyclic ? Permutation() : at::arange(rows_, at::kLong);
    at_ = 0;
  }
  at_ += batch_;
  return order_.narrow(0, at_ - batch_, batch_);
}

at::Tensor Sampler::Permutation() { return at::randperm(rows_, generator_, at::kLong); }

}  // namespace roundlab
