#include "core/kernels/logit_sums.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/kernels/cuda/without_gradient.h"

namespace roundlab {

LogitSums SumLogits(const at::Tensor& logits) {
  ROUNDLAB_CHECK(logits.dim() == 2 && logits.scalar_type() == at::kFloat && logits.is_contiguous(),
                 "logits must be [rows, columns], float32 and contiguous");
  const cuda::Kernels* const kernels = cuda::KernelsOn(logits.device());
  if (kernels == nullptr) return reference::SumLogits(logits);
  const auto [log, place] = cuda::SumLogits(*kernels, logits);
  return {log, place};
}

LogitSums reference::SumLogits(const at::Tensor& logits) {
  return {logits.logsumexp(1).to(at::kDouble), logits.argmax(1)};
}

}  // namespace roundlab
