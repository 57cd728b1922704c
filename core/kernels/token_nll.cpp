#include "core/kernels/token_nll.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.h"
#include "core/kernels/logit_sums.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

/// log(sum(exp(x))) of a row of logits that comes in pieces, and its largest element.
struct RowSum {
  float largest = 0;
  std::int64_t place = -1;  // of the first largest; -1 before the first piece
  double sum = 0;           // of exp(x - largest)

  double Log() const { return static_cast<double>(largest) + std::log(sum); }
};

/// Takes in x[0, count), which is the row from `first` on. The sum is carried in kLanes float
/// partial sums and ended in double.
ROUNDLAB_SIMD void AddPiece(const float* x, std::int64_t count, std::int64_t first, RowSum* row) {
  const float top = Largest(x, count);
  float sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) sums[k] += FastExp(x[i + k] - top);
  }
  double total = 0;
  for (; i < count; ++i) total += static_cast<double>(FastExp(x[i] - top));
  for (const float sum : sums) total += static_cast<double>(sum);
  const double apart = static_cast<double>(top) - static_cast<double>(row->largest);
  if (row->place >= 0 && apart <= 0) {
    row->sum += total * std::exp(apart);
    return;
  }
  row->sum = total + (row->place < 0 ? 0 : row->sum * std::exp(-apart));
  row->largest = top;
  row->place = first + (std::find(x, x + count, top) - x);
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

/// Whole tiles of a product, where there is room for one.
std::int64_t DeviceRows(const LogitHead& head) {
  constexpr std::int64_t kTile = 256;
  const std::int64_t rows = std::max<std::int64_t>(1, kDeviceLogits / head.weight.size(0));
  return rows < kTile ? rows : rows / kTile * kTile;
}

/// The logits of hidden [tokens, d] in float32, also of 16-bit products.
at::Tensor WideLogits(const at::Tensor& hidden, const LogitHead& head) {
  const at::ScalarType dtype = head.weight.scalar_type();
  const bool narrow = at::isReducedFloatingType(dtype);
  const at::Tensor x = hidden.to(dtype);
  at::Tensor logits = x.is_cuda() && narrow ? at::mm(x, head.weight.t(), at::kFloat)
                                            : at::mm(x, head.weight.t()).to(at::kFloat);
  head.Finish(0, &logits);
  return logits;
}

/// [nll, whether it is the largest logit], float64 [2, queries] on the CPU. Rows of the queries in
/// `x`, which are in rising order.
at::Tensor ScoresOnDevice(const at::Tensor& x, const LogitHead& head,
                          const std::vector<std::int64_t>& rows,
                          const std::vector<std::int64_t>& targets) {
  const auto there = [&](const std::vector<std::int64_t>& values) {
    return at::tensor(values, at::kLong).to(x.device());
  };
  const at::Tensor all_rows = there(rows);
  const at::Tensor all_targets = there(targets);
  std::vector<at::Tensor> parts;
  const std::int64_t most = DeviceRows(head);
  std::int64_t begin = 0;
  for (std::int64_t first = 0; first < x.size(0); first += most) {
    const std::int64_t count = std::min(most, x.size(0) - first);
    const auto bound = std::lower_bound(rows.begin(), rows.end(), first + count);
    const std::int64_t end = bound - rows.begin();
    const at::Tensor logits = WideLogits(x.narrow(0, first, count), head);
    const LogitSums sums = SumLogits(logits);
    const at::Tensor row = all_rows.narrow(0, begin, end - begin) - first;
    const at::Tensor target = all_targets.narrow(0, begin, end - begin);
    const at::Tensor chosen = logits.flatten().index_select(0, row * head.weight.size(0) + target);
    const at::Tensor top = sums.place.index_select(0, row) == target;
    parts.push_back(at::stack({sums.log.index_select(0, row) - chosen, top.to(at::kDouble)}));
    begin = end;
  }
  return at::cat(parts, 1).cpu();
}

}  // namespace

LogitHead::LogitHead(at::Tensor w, at::Tensor b, double cap, double by)
    : weight(std::move(w)), bias(std::move(b)), soft_cap(cap), scale(by) {}

at::Tensor LogitHead::Logits(const at::Tensor& hidden) const {
  if (hidden.scalar_type() != weight.scalar_type()) {
    std::vector<std::int64_t> sizes = hidden.sizes().vec();
    sizes.back() = weight.size(0);
    return WideLogits(hidden.flatten(0, -2), *this).view(sizes).to(hidden.scalar_type());
  }
  at::Tensor logits = at::linear(hidden, weight);
  Finish(0, &logits);
  return logits;
}

void LogitHead::Finish(std::int64_t first, at::Tensor* products) const {
  if (bias.defined()) products->add_(bias.narrow(0, first, products->size(-1)));
  if (scale != 1) products->mul_(scale);
  if (soft_cap <= 0) return;
  if (products->requires_grad()) {  // tanh's gradient is made of what it put out
    *products = (*products / soft_cap).tanh() * soft_cap;
  } else {
    products->div_(soft_cap).tanh_().mul_(soft_cap);
  }
}

std::vector<TokenScore> ScoreTokens(const at::Tensor& hidden, const LogitHead& head,
                                    const std::vector<TokenQuery>& queries, const LogitTile& tile) {
  if (!hidden.is_cpu()) return ScoreTokensInAten(hidden, head, queries);
  const RowsAsked wanted(queries);
  const at::Tensor x = hidden.index_select(
      0, at::tensor(at::ArrayRef<std::int64_t>(wanted.rows), hidden.options().dtype(at::kLong)));
  const std::int64_t count = x.size(0);
  const std::int64_t vocab = head.weight.size(0);
  std::vector<RowSum> sums(wanted.rows.size());
  std::vector<double> logits(queries.size());
  at::Tensor room =
      at::empty({std::min(tile.rows, count) * std::min(tile.columns, vocab)}, hidden.options());
  for (std::int64_t first = 0; first < count; first += tile.rows) {
    const std::int64_t rows = std::min(tile.rows, count - first);
    for (std::int64_t column = 0; column < vocab; column += tile.columns) {
      const std::int64_t columns = std::min(tile.columns, vocab - column);
      at::Tensor piece = room.narrow(0, 0, rows * columns).view({rows, columns});
      at::mm_out(piece, x.narrow(0, first, rows), head.weight.narrow(0, column, columns).t());
      head.Finish(column, &piece);
      const float* values = piece.const_data_ptr<float>();
      at::parallel_for(0, rows, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto row = static_cast<std::size_t>(first + i);
          const float* line = values + i * columns;
          AddPiece(line, columns, column, &sums[row]);
          for (const std::size_t query : wanted.asked[row]) {
            const std::int64_t place = queries[query].target - column;
            if (place >= 0 && place < columns) logits[query] = static_cast<double>(line[place]);
          }
        }
      });
    }
  }
  std::vector<TokenScore> scores(queries.size());
  for (std::size_t row = 0; row < sums.size(); ++row) {
    for (const std::size_t query : wanted.asked[row]) {
      scores[query] = {sums[row].Log() - logits[query], sums[row].place == queries[query].target};
    }
  }
  return scores;
}

at::Tensor TokenNll(const at::Tensor& hidden, const LogitHead& head, const at::Tensor& targets,
                    const LogitTile& tile) {
  ROUNDLAB_CHECK(hidden.dim() == 2 && hidden.size(0) == targets.numel(),
                 "hidden must be [tokens, d] with one target a token");
  if (!hidden.is_cpu()) return TokenNllInAten(hidden, head, targets.to(hidden.device()));
  const at::Tensor ids = targets.contiguous();
  const auto* target = ids.const_data_ptr<std::int64_t>();
  std::vector<TokenQuery> queries;
  for (std::int64_t row = 0; row < hidden.size(0); ++row) queries.push_back({row, target[row]});
  at::Tensor nll = at::empty({hidden.size(0)}, hidden.options());
  auto* out = nll.mutable_data_ptr<float>();
  for (const TokenScore& score : ScoreTokens(hidden, head, queries, tile)) {
    *out++ = static_cast<float>(score.nll);
  }
  return nll;
}

std::vector<TokenScore> ScoreTokensInAten(const at::Tensor& hidden, const LogitHead& head,
                                          const std::vector<TokenQuery>& queries) {
  if (queries.empty()) return {};
  const RowsAsked wanted(queries);
  const at::Tensor x = hidden.index_select(
      0, at::tensor(at::ArrayRef<std::int64_t>(wanted.rows), at::kLong).to(hidden.device()));
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> targets;
  std::vector<std::size_t> order;
  for (std::size_t row = 0; row < wanted.rows.size(); ++row) {
    for (const std::size_t query : wanted.asked[row]) {
      rows.push_back(static_cast<std::int64_t>(row));
      targets.push_back(queries[query].target);
      order.push_back(query);
    }
  }
  const at::Tensor values = ScoresOnDevice(x, head, rows, targets);
  const auto* nll = values.const_data_ptr<double>();
  std::vector<TokenScore> scores(queries.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    scores[order[i]] = {nll[i], nll[order.size() + i] != 0};
  }
  return scores;
}

at::Tensor TokenNllInAten(const at::Tensor& hidden, const LogitHead& head,
                          const at::Tensor& targets) {
  std::vector<at::Tensor> parts;
  const std::int64_t most = DeviceRows(head);
  for (std::int64_t first = 0; first < hidden.size(0); first += most) {
    const std::int64_t rows = std::min(most, hidden.size(0) - first);
    const at::Tensor logits = WideLogits(hidden.narrow(0, first, rows), head);
    const at::Tensor chosen = targets.narrow(0, first, rows).unsqueeze(1);
    parts.push_back((SumLogits(logits).log - logits.gather(1, chosen).squeeze(1)).to(at::kFloat));
  }
  return parts.empty() ? at::empty({0}, hidden.options().dtype(at::kFloat)) : at::cat(parts);
}

at::Tensor TokenNllReference(const at::Tensor& logits, const at::Tensor& targets) {
  return -at::log_softmax(logits.to(at::kFloat), -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1);
}

}  // namespace roundlab
