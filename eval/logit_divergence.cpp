#include "eval/logit_divergence.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace roundlab {
namespace {

/// The divergence of one row of logits: with z = sum(exp(x - max x)),
/// sum(p (log p - log q)) = sum(p (x_p - x_q)) - log sum exp(x_p) + log sum exp(x_q).
struct RowDivergence {
  double kl = 0;
  double same_top = 0;
  double nll_base = 0;
  double nll = 0;
};

RowDivergence CompareRow(const float* p, const float* q, std::int64_t vocab, std::int64_t target) {
  const float* top_p = std::max_element(p, p + vocab);
  const float* top_q = std::max_element(q, q + vocab);
  double sum_p = 0;
  double sum_q = 0;
  double gap = 0;
  for (std::int64_t i = 0; i < vocab; ++i) {
    const auto weight = static_cast<double>(std::exp(p[i] - *top_p));
    sum_p += weight;
    sum_q += static_cast<double>(std::exp(q[i] - *top_q));
    gap += weight * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
  }
  const double log_p = static_cast<double>(*top_p) + std::log(sum_p);
  const double log_q = static_cast<double>(*top_q) + std::log(sum_q);
  return {gap / sum_p - log_p + log_q, top_p - p == top_q - q ? 1.0 : 0.0,
          log_p - static_cast<double>(p[target]), log_q - static_cast<double>(q[target])};
}

}  // namespace

void AppendDivergence(const HeadInputs& base, const HeadInputs& other, const at::Tensor& targets,
                      LogitDivergence* out, std::int64_t chunk_rows) {
  const std::int64_t vocab = base.head.weight.size(0);
  ROUNDLAB_CHECK(base.hidden.size(0) == targets.numel() &&
                     other.hidden.size(0) == targets.numel() && other.head.weight.size(0) == vocab,
                 "both must be [tokens, d] with one target a token, and of one vocabulary");
  const at::Tensor ids = targets.cpu().contiguous();
  const auto logits = [](const HeadInputs& of, std::int64_t first, std::int64_t count) {
    const at::Tensor rows = of.hidden.narrow(0, first, count).to(of.head.weight.device());
    return of.head.Logits(rows).cpu().contiguous();
  };
  const auto* target = ids.const_data_ptr<std::int64_t>();
  for (std::int64_t first = 0; first < ids.numel(); first += chunk_rows) {
    const std::int64_t count = std::min(chunk_rows, ids.numel() - first);
    const at::Tensor logits_p = logits(base, first, count);
    const at::Tensor logits_q = logits(other, first, count);
    const auto* p = logits_p.const_data_ptr<float>();
    const auto* q = logits_q.const_data_ptr<float>();
    std::vector<RowDivergence> rows(static_cast<std::size_t>(count));
    at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        rows[static_cast<std::size_t>(i)] =
            CompareRow(p + i * vocab, q + i * vocab, vocab, target[first + i]);
      }
    });
    for (const RowDivergence& row : rows) {
      out->kl.push_back(row.kl);
      out->same_top.push_back(row.same_top);
      out->nll_base.push_back(row.nll_base);
      out->nll.push_back(row.nll);
    }
  }
}

}  // namespace roundlab
