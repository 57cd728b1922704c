#include "core/kernels/bfloat16_gradient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/kernels/attention_heads.h"
#include "core/kernels/attention_tile.h"
#include "core/kernels/bfloat16_tile.h"

namespace roundlab {
namespace {

using Number = c10::BFloat16;

/// Rows of one head, 0 beyond the last and beyond `dim` up to whole units, as products read them.
class HeadRows {
 public:
  void Load(const Number* from, std::int64_t rows, std::int64_t stride, std::int64_t dim) {
    wide_ = UnitWidth(dim);
    count_ = UnitWidth(rows);
    rows_.assign(static_cast<std::size_t>(count_ * wide_), Number(0));
    for (std::int64_t i = 0; i < rows; ++i) {
      std::copy_n(from + i * stride, dim, rows_.data() + i * wide_);
    }
  }
  /// From the left [rows, dim].
  const Number* Row(std::int64_t i) const { return rows_.data() + i * wide_; }

  void MakePanels() {
    panels_.resize(rows_.size() / 2);
    for (std::int64_t i = 0; i < count_; ++i) PutColumn(Row(i), i, wide_, panels_.data());
  }
  /// From the right [dim, rows], columns from `row` on.
  const Pair* Panel(std::int64_t row) const { return panels_.data() + row * wide_ / 2; }

  void MakePairs() {
    pairs_.resize(rows_.size() / 2);
    for (std::int64_t i = 0; i < count_; ++i) PutRow(Row(i), i, wide_, pairs_.data());
  }
  /// From the right [rows, dim], rows from `row` on.
  const Pair* Pairs(std::int64_t row) const { return pairs_.data() + row / 2 * wide_; }

  void MakeTransposed() {
    transposed_.resize(rows_.size());
    for (std::int64_t d = 0; d < wide_; ++d) {
      Number* const to = transposed_.data() + d * count_;
      for (std::int64_t i = 0; i < count_; ++i) to[i] = Row(i)[d];
    }
  }
  /// From the left [dim, rows].
  const Number* Transposed(std::int64_t d) const { return transposed_.data() + d * count_; }

  std::int64_t count() const { return count_; }  // whole units
  std::int64_t wide() const { return wide_; }

 private:
  std::int64_t wide_ = 0;
  std::int64_t count_ = 0;
  std::vector<Number> rows_;
  std::vector<Pair> panels_;
  std::vector<Pair> pairs_;
  std::vector<Number> transposed_;
};

/// Float32 rows, no power of two apart (UnitProduct).
class FloatRows {
 public:
  void Reset(std::int64_t rows, std::int64_t width) {
    apart_ = UnitWidth(width) + kUnitSide;
    values_.resize(static_cast<std::size_t>(rows * apart_));
  }
  std::int64_t apart() const { return apart_; }
  float* Row(std::int64_t i) { return values_.data() + i * apart_; }
  const float* Row(std::int64_t i) const { return values_.data() + i * apart_; }

 private:
  std::int64_t apart_ = 0;
  std::vector<float> values_;
};

/// Rows [rows, width] as sums of two bfloat16, from the left.
struct SplitRows {
  void Reset(std::int64_t rows, std::int64_t width) {
    apart = width + kUnitSide;
    high.resize(static_cast<std::size_t>(rows * apart));
    low.resize(high.size());
  }
  void Put(const float* row, std::int64_t i, std::int64_t width) {
    Split(row, width, high.data() + i * apart, low.data() + i * apart);
  }
  std::int64_t apart = 0;
  std::vector<Number> high;
  std::vector<Number> low;
};

/// The same from the right: panels [rows / 2, 32].
struct SplitPanels {
  void Reset(std::int64_t rows, std::int64_t width) {
    panel = rows / 2 * kUnitSide;
    high.resize(static_cast<std::size_t>(panel * width / kUnitSide));
    low.resize(high.size());
  }
  void Put(const float* row, const float* next, std::int64_t i, std::int64_t width) {
    const std::int64_t at = i / 2 * kUnitSide;
    SplitPairs(row, next, width, panel, high.data() + at, low.data() + at);
  }
  /// Columns from `column` on, a multiple of 32, rows from `row` on.
  std::int64_t At(std::int64_t row, std::int64_t column) const {
    return column / kUnitSide * panel + row / 2 * kUnitSide;
  }
  std::int64_t panel = 0;
  std::vector<Pair> high;
  std::vector<Pair> low;
};

/// One key head of one text, and the query heads that read it.
class Bfloat16HeadBackward {
 public:
  explicit Bfloat16HeadBackward(const AttentionHeads<Number>& heads) : all_(heads) {}

  void Run(std::int64_t text, std::int64_t kv_head) {
    const std::int64_t kv_at = text * all_.seq * all_.kv_stride + kv_head * all_.dim;
    keys_.Load(all_.k + kv_at, all_.seq, all_.kv_stride, all_.dim);
    keys_.MakePanels();
    keys_.MakePairs();
    values_.Load(all_.v + kv_at, all_.seq, all_.kv_stride, all_.dim);
    values_.MakePanels();
    for (std::vector<float>* sums : {&d_keys_, &d_values_}) {
      sums->assign(static_cast<std::size_t>(keys_.count() * keys_.wide()), 0.0F);
    }
    for (std::int64_t head = kv_head * all_.group; head < (kv_head + 1) * all_.group; ++head) {
      for (std::int64_t first = 0; first < all_.seq; first += kQueryBlock) {
        Block(text * all_.seq * all_.q_stride + head * all_.dim, first,
              std::min(kQueryBlock, all_.seq - first));
      }
    }
    Store(d_keys_, all_.dk + kv_at);
    Store(d_values_, all_.dv + kv_at);
  }

 private:
  /// Queries [first, first + count) of a head whose first query lies at `head`.
  void Block(std::int64_t head, std::int64_t first, std::int64_t count) {
    const std::int64_t at = head + first * all_.q_stride;
    for (const auto& [rows, from] :
         {std::pair(&queries_, all_.q), std::pair(&d_outputs_, all_.dy)}) {
      rows->Load(from + at, count, all_.q_stride, all_.dim);
      rows->MakeTransposed();
    }
    begin_ = all_.FirstKey(first) / kUnitSide * kUnitSide;
    width_ = UnitWidth(first + count - begin_);
    weights_.Reset(kUnitSide, width_);
    scores_.Reset(kUnitSide, width_);
    score_rows_.Reset(kUnitSide, width_);
    weight_panels_.Reset(queries_.count(), width_);
    score_panels_.Reset(queries_.count(), width_);
    for (std::int64_t row = 0; row < count; row += kUnitSide) {
      ScoreUnit(first, row, std::min(kUnitSide, count - row));
      StoreQueries(row, first, std::min(kUnitSide, count - row), all_.dq + at);
    }
    for (std::int64_t key = 0; key < width_; key += kUnitSide) {
      // The first unit whose queries see the panel's first key.
      const std::int64_t row =
          std::max<std::int64_t>(0, begin_ + key - first) / kUnitSide * kUnitSide;
      AddKeys(d_outputs_, weight_panels_, row, key, &d_values_);
      AddKeys(queries_, score_panels_, row, key, &d_keys_);
    }
  }

  /// Weights of up to 32 queries and the scores' gradients, as the products to come read them.
  void ScoreUnit(std::int64_t first, std::int64_t row, std::int64_t rows) {
    const std::int64_t seen = first + row + rows - begin_;
    const auto products = [&](const HeadRows& left, const HeadRows& right, FloatRows* out) {
      for (std::int64_t j = 0; j < seen; j += kUnitSide) {
        MultiplyUnit({{{{left.Row(row), right.Panel(begin_ + j)}}},
                      1,
                      left.wide(),
                      kUnitSide,
                      left.wide(),
                      out->Row(0) + j,
                      out->apart()});
      }
    };
    products(queries_, keys_, &weights_);
    products(d_outputs_, values_, &scores_);
    const auto scale = static_cast<float>(all_.options.scale);
    for (std::int64_t i = 0; i < kUnitSide; ++i) {
      float* const weight = weights_.Row(i);
      float* const score = scores_.Row(i);
      if (i < rows) {
        const std::int64_t query = first + row + i;
        const std::int64_t from = all_.FirstKey(query) - begin_;
        const std::int64_t to = query + 1 - begin_;
        const float sum = SoftmaxRow(weight, from, to, width_, scale);
        ScoreGradient({weight, score, from, to, width_, sum, scale});
      } else {
        std::fill_n(weight, width_, 0.0F);
        std::fill_n(score, width_, 0.0F);
      }
      score_rows_.Put(score, i, width_);
      if (i % 2 == 0) continue;
      weight_panels_.Put(weights_.Row(i - 1), weight, row + i, width_);
      score_panels_.Put(scores_.Row(i - 1), score, row + i, width_);
    }
  }

  /// dq of the unit: the scores' gradients times the keys.
  void StoreQueries(std::int64_t row, std::int64_t first, std::int64_t rows, Number* dq) {
    const std::int64_t depth = UnitWidth(first + row + rows - begin_);
    d_queries_.Reset(kUnitSide, keys_.wide());
    for (std::int64_t d = 0; d < keys_.wide(); d += kUnitSide) {
      const Pair* right = keys_.Pairs(begin_) + d;
      MultiplyUnit({{{{score_rows_.high.data(), right}, {score_rows_.low.data(), right}}},
                    2,
                    score_rows_.apart,
                    keys_.wide(),
                    depth,
                    d_queries_.Row(0) + d,
                    d_queries_.apart()});
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      const float* from = d_queries_.Row(i);
      std::copy_n(from, all_.dim, dq + (row + i) * all_.q_stride);
    }
  }

  /// Of 32 keys: sums [dim, key] += left [row ..., dim]^T right [row ..., key].
  void AddKeys(const HeadRows& left, const SplitPanels& right, std::int64_t row, std::int64_t key,
               std::vector<float>* sums) const {
    const std::int64_t at = right.At(row, key);
    float* const panel = sums->data() + (begin_ + key) * left.wide();
    for (std::int64_t d = 0; d < left.wide(); d += kUnitSide) {
      const Number* from = left.Transposed(d) + row;
      MultiplyUnit({{{{from, right.high.data() + at}, {from, right.low.data() + at}}},
                    2,
                    left.count(),
                    kUnitSide,
                    left.count() - row,
                    panel + d * kUnitSide,
                    kUnitSide,
                    true});
    }
  }

  void Store(const std::vector<float>& sums, Number* to) const {
    for (std::int64_t i = 0; i < all_.seq; ++i) {
      const std::int64_t lane = i % kUnitSide;
      const float* from = sums.data() + (i - lane) * keys_.wide() + lane;
      for (std::int64_t d = 0; d < all_.dim; ++d) to[i * all_.kv_stride + d] = from[d * kUnitSide];
    }
  }

  TileScope tiles_;
  const AttentionHeads<Number>& all_;
  std::int64_t begin_ = 0;  // the first key of the block that is looked at
  std::int64_t width_ = 0;  // its keys, in whole units
  HeadRows keys_;
  HeadRows values_;
  HeadRows queries_;  // of the block
  HeadRows d_outputs_;
  FloatRows weights_;  // [query, key - begin_] of a unit: the softmax
  FloatRows scores_;   // the same: gradients of the scores
  SplitRows score_rows_;
  SplitPanels weight_panels_;  // of the block
  SplitPanels score_panels_;
  FloatRows d_queries_;        // of a unit
  std::vector<float> d_keys_;  // panels [dim, 32] of 32 keys
  std::vector<float> d_values_;
};

}  // namespace

AttentionGradients Bfloat16AttentionBackward(const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const at::Tensor& d_output,
                                             const AttentionOptions& options) {
  const AttentionGradients gradients = EmptyGradients(q, k, v, d_output);
  const AttentionHeads<Number> all(q, k, v, d_output, options, gradients);
  const std::int64_t heads = k.size(2);
  at::parallel_for(0, k.size(0) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
    Bfloat16HeadBackward backward(all);
    for (std::int64_t i = begin; i < end; ++i) backward.Run(i / heads, i % heads);
  });
  return gradients;
}

}  // namespace roundlab
