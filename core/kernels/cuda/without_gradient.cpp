#include "core/kernels/cuda/without_gradient.h"

#include <ATen/ATen.h>

#include "core/base/error.h"
#include "core/kernels/cuda/launch.h"

namespace roundlab::cuda {

Float8Columns ToFloat8Columns(const Kernels& kernels, const at::Tensor& x) {
  const at::Tensor from = x.contiguous();
  const std::int64_t rows = x.size(0);
  const std::int64_t columns = x.size(1);
  const at::Tensor largest = at::zeros({columns}, x.options().dtype(at::kInt));
  Float8Columns made{at::empty({columns, rows}, x.options().dtype(at::kFloat8_e4m3fn)),
                     at::empty({columns}, x.options().dtype(at::kFloat))};
  Float8Job job{};
  job.dtype = DtypeOf(x.scalar_type());
  job.x = Read(from);
  job.y = Write(made.values);
  job.scale = Floats(made.scales);
  job.largest = largest.mutable_data_ptr<std::int32_t>();
  job.rows = rows;
  job.columns = columns;
  Launch(kernels, kernels.float8_columns, job, from);
  return made;
}

void ErrorFeedback(const Kernels& kernels, const FeedbackBlock& block, std::int64_t begin,
                   std::int64_t end) {
  FeedbackJob job{};
  job.wide = block.weight.scalar_type() == at::kDouble;
  job.weight = Write(block.weight);
  job.factor = Read(block.factor);
  job.shift = block.shift.defined() ? Read(block.shift) : nullptr;
  job.scale = Read(block.scale);
  job.zero = Read(block.zero);
  job.group = block.group.const_data_ptr<std::int64_t>();
  job.codes = Write(block.codes);
  job.error = Write(block.error);
  job.code_max = block.code_max;
  job.rows = block.weight.size(0);
  job.width = block.weight.size(1);
  job.groups = block.scale.size(1);
  job.begin = begin;
  job.end = end;
  Launch(kernels, kernels.error_feedback, job, block.weight);
}

std::pair<at::Tensor, at::Tensor> SumLogits(const Kernels& kernels, const at::Tensor& logits) {
  const auto parts = [&](at::ScalarType type) {
    return at::empty({logits.size(0), kRowParts}, logits.options().dtype(type));
  };
  const at::Tensor largest = parts(at::kFloat);
  const at::Tensor place = parts(at::kLong);
  const at::Tensor sum = parts(at::kDouble);
  const LogitSumJob job{Floats(logits),
                        Floats(largest),
                        place.mutable_data_ptr<std::int64_t>(),
                        sum.mutable_data_ptr<double>(),
                        logits.size(0),
                        logits.size(1)};
  Launch(kernels, kernels.logit_sums, job, logits);
  const at::Tensor top = largest.amax(1, true);
  const at::Tensor apart = largest.to(at::kDouble) - top;
  return {(sum * apart.exp()).sum(1).log() + top.squeeze(1),
          at::where(largest == top, place, logits.size(1)).amin(1)};
}

void CopyIf(const Kernels& kernels, const at::Tensor& flag, const at::Tensor& from,
            const at::Tensor& to) {
  ROUNDLAB_CHECK(flag.scalar_type() == at::kBool && from.is_contiguous() && to.is_contiguous() &&
                     from.nbytes() == to.nbytes() && from.scalar_type() == to.scalar_type(),
                 "a bool, and two contiguous tensors of one size");
  const CopyIfJob job{static_cast<const std::uint8_t*>(Read(flag)), Read(from), Write(to),
                      static_cast<std::int64_t>(to.nbytes())};
  Launch(kernels, kernels.copy_if, job, to);
}

}  // namespace roundlab::cuda
