#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/kernels/ops.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr std::int64_t kChunkRows = 1024;

/// Makes of a row of logits the gradient of factor * nll(target): factor * (softmax - one-hot).
/// Answers the nll.
ROUNDLAB_SIMD double GradientRow(float* x, std::int64_t count, std::int64_t target, float factor) {
  const float top = Largest(x, count);
  const float chosen = x[target];
  float sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      x[i + k] = FastExp(x[i + k] - top);
      sums[k] += x[i + k];
    }
  }
  double total = 0;
  for (; i < count; ++i) {
    x[i] = FastExp(x[i] - top);
    total += static_cast<double>(x[i]);
  }
  for (const float sum : sums) total += static_cast<double>(sum);
  const float scale = factor / static_cast<float>(total);
  for (std::int64_t k = 0; k < count; ++k) x[k] *= scale;
  x[target] -= factor;
  return std::log(total) + static_cast<double>(top) - static_cast<double>(chosen);
}

struct Chunk {
  std::int64_t first;
  float factor;  ///< of each row's nll in the mean
};

/// Makes of a chunk's logits the gradient of its share of the mean; adds the nll of its rows.
void GradientOnCpu(const Chunk& chunk, const at::Tensor& targets, at::Tensor* logits,
                   std::vector<double>* nll) {
  auto* x = logits->mutable_data_ptr<float>();
  const auto* target = targets.const_data_ptr<std::int64_t>();
  const std::int64_t vocab = logits->size(1);
  at::parallel_for(0, logits->size(0), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      (*nll)[static_cast<std::size_t>(chunk.first + row)] =
          GradientRow(x + row * vocab, vocab, target[chunk.first + row], chunk.factor);
    }
  });
}

/// The same in ATen's operations; answers the nll of its rows, float32.
at::Tensor GradientInPlace(const Chunk& chunk, const at::Tensor& targets, at::Tensor* logits) {
  const at::Tensor chosen = targets.narrow(0, chunk.first, logits->size(0)).unsqueeze(1);
  const at::Tensor sum = logits->logsumexp(1, true);
  const at::Tensor nll = (sum - logits->gather(1, chosen)).squeeze(1);
  logits->sub_(sum).exp_().mul_(chunk.factor);
  logits->scatter_add_(1, chosen, at::full_like(sum, -chunk.factor));
  return nll;
}

struct HeadNllFunction : torch::autograd::Function<HeadNllFunction> {
  static Variable forward(AutogradContext* ctx, const Variable& hidden, const Variable& head,
                          const at::Tensor& targets) {
    const std::int64_t tokens = hidden.size(0);
    const auto factor = static_cast<float>(1.0 / static_cast<double>(tokens));
    std::vector<double> nll(static_cast<std::size_t>(tokens));
    std::vector<at::Tensor> parts;
    at::Tensor d_hidden = at::empty_like(hidden);
    at::Tensor d_head = at::zeros_like(head);
    for (std::int64_t first = 0; first < tokens; first += kChunkRows) {
      const std::int64_t rows = std::min(kChunkRows, tokens - first);
      const at::Tensor part = hidden.narrow(0, first, rows);
      at::Tensor logits = at::mm(part, head.t());
      if (hidden.is_cpu()) {
        GradientOnCpu({first, factor}, targets, &logits, &nll);
      } else {
        parts.push_back(GradientInPlace({first, factor}, targets, &logits));
      }
      at::Tensor d_part = d_hidden.narrow(0, first, rows);
      at::mm_out(d_part, logits, head);
      d_head.addmm_(logits.t(), part);
    }
    ctx->save_for_backward({d_hidden, d_head});
    if (!parts.empty()) return at::cat(parts).mean(at::kDouble).to(at::kFloat);
    double sum = 0;
    for (const double value : nll) sum += value;
    return at::scalar_tensor(sum / static_cast<double>(tokens), hidden.options());
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    return {saved[0] * grads[0], saved[1] * grads[0], {}};
  }
};

}  // namespace

at::Tensor HeadNll(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& targets) {
  ROUNDLAB_CHECK(hidden.dim() == 2 && hidden.size(0) > 0 && targets.numel() == hidden.size(0),
                 "hidden must be [tokens, d] with one target a token");
  ROUNDLAB_CHECK(hidden.scalar_type() == at::kFloat && head.scalar_type() == at::kFloat,
                 "hidden and head must be float32");
  return HeadNllFunction::apply(hidden.contiguous(), head.contiguous(),
                                targets.to(hidden.device()).contiguous());
}

}  // namespace roundlab
