#include "core/kernels/token_nll.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

constexpr std::int64_t kLanes = 32;

struct RowSum {
  double log;     // of the sum of exp
  float largest;  // element
};

/// log(sum(exp(x))) of one row; the sum is carried in kLanes float partial sums and ended in
/// double.
ROUNDLAB_SIMD RowSum LogSumExp(const float* x, std::int64_t count) {
  float maxima[kLanes];
  for (float& m : maxima) m = x[0];
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      maxima[k] = x[i + k] > maxima[k] ? x[i + k] : maxima[k];
    }
  }
  float top = *std::max_element(maxima, maxima + kLanes);
  for (; i < count; ++i) top = std::max(top, x[i]);
  float sums[kLanes] = {};
  for (i = 0; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += FastExp(x[i + k] - top);
  }
  double total = 0;
  for (; i < count; ++i) total += static_cast<double>(FastExp(x[i] - top));
  for (const float sum : sums) total += static_cast<double>(sum);
  return {static_cast<double>(top) + std::log(total), top};
}

/// Of one row of logits, a target's score.
TokenScore Score(const float* line, std::int64_t target, const RowSum& sum) {
  const bool largest = line[target] == sum.largest;
  return {sum.log - static_cast<double>(line[target]),
          largest && std::find(line, line + target, sum.largest) == line + target};
}

/// Distinct rows of the queries in rising order, and each query's place among them.
struct RowsAsked {
  explicit RowsAsked(const std::vector<TokenQuery>& queries) {
    for (const TokenQuery& query : queries) rows.push_back(query.row);
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    asked.resize(rows.size());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto place = std::lower_bound(rows.begin(), rows.end(), queries[i].row);
      asked[static_cast<std::size_t>(place - rows.begin())].push_back(i);
    }
  }
  std::vector<std::int64_t> rows;
  std::vector<std::vector<std::size_t>> asked;  // queries of a row
};

}  // namespace

std::vector<TokenScore> ScoreTokens(const at::Tensor& hidden, const at::Tensor& head,
                                    const std::vector<TokenQuery>& queries,
                                    std::int64_t chunk_rows) {
  const RowsAsked wanted(queries);
  const auto count = static_cast<std::int64_t>(wanted.rows.size());
  const std::int64_t vocab = head.size(0);
  std::vector<TokenScore> scores(queries.size());
  const at::Tensor places = at::tensor(at::ArrayRef<std::int64_t>(wanted.rows), at::kLong);
  for (std::int64_t first = 0; first < count; first += chunk_rows) {
    const std::int64_t rows = std::min(chunk_rows, count - first);
    const at::Tensor logits =
        at::mm(hidden.index_select(0, places.narrow(0, first, rows)), head.t());
    const float* x = logits.const_data_ptr<float>();
    at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* line = x + row * vocab;
        const RowSum sum = LogSumExp(line, vocab);
        for (const std::size_t i : wanted.asked[static_cast<std::size_t>(first + row)]) {
          scores[i] = Score(line, queries[i].target, sum);
        }
      }
    });
  }
  return scores;
}

at::Tensor TokenNll(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& targets,
                    std::int64_t chunk_rows) {
  ROUNDLAB_CHECK(hidden.dim() == 2 && hidden.size(0) == targets.numel(),
                 "hidden must be [tokens, d] with one target a token");
  const std::int64_t tokens = hidden.size(0);
  const std::int64_t vocab = head.size(0);
  const at::Tensor head_t = head.t();
  const at::Tensor ids = targets.contiguous();
  const auto* target = ids.const_data_ptr<std::int64_t>();
  at::Tensor nll = at::empty({tokens}, hidden.options().dtype(at::kFloat));
  auto* out = nll.mutable_data_ptr<float>();
  for (std::int64_t first = 0; first < tokens; first += chunk_rows) {
    const std::int64_t rows = std::min(chunk_rows, tokens - first);
    const at::Tensor logits =
        at::mm(hidden.narrow(0, first, rows), head_t).to(at::kFloat).contiguous();
    const float* x = logits.const_data_ptr<float>();
    at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* line = x + row * vocab;
        const float chosen = line[target[first + row]];
        out[first + row] =
            static_cast<float>(LogSumExp(line, vocab).log - static_cast<double>(chosen));
      }
    });
  }
  return nll;
}

at::Tensor TokenNllReference(const at::Tensor& logits, const at::Tensor& targets) {
  return -at::log_softmax(logits.to(at::kFloat), -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1);
}

}  // namespace roundlab
