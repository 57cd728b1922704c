#include "core/kernels/attention_gradient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "core/base/error.h"
#include "core/kernels/attention_tile.h"

namespace roundlab {
namespace {

/// A matrix whose rows are as wide as tiles are, so that they may be read and written to the end.
class Matrix {
 public:
  void Reset(std::int64_t rows, std::int64_t columns) {
    width_ = TileWidth(columns);
    values_.assign(static_cast<std::size_t>(rows * width_), 0.0F);
  }
  /// Rows of `count` numbers, `stride` apart, from the first row on.
  void Load(const float* from, std::int64_t rows, std::int64_t stride, std::int64_t count) {
    for (std::int64_t i = 0; i < rows; ++i) std::copy_n(from + i * stride, count, Row(i));
  }
  void Store(float* to, std::int64_t rows, std::int64_t stride, std::int64_t count) const {
    for (std::int64_t i = 0; i < rows; ++i) std::copy_n(Row(i), count, to + i * stride);
  }
  std::int64_t width() const { return width_; }
  float* Row(std::int64_t i) { return values_.data() + i * width_; }
  const float* Row(std::int64_t i) const { return values_.data() + i * width_; }

 private:
  std::int64_t width_ = 0;
  std::vector<float> values_;
};

/// Rows that are multiplied by: transposed, in panels (PutPanelRow).
class Panels {
 public:
  void Load(const float* from, std::int64_t rows, std::int64_t stride, std::int64_t dim) {
    dim_ = dim;
    values_.assign(static_cast<std::size_t>(TileWidth(rows) * dim), 0.0F);
    for (std::int64_t i = 0; i < rows; ++i) PutPanelRow(from + i * stride, i, dim, values_.data());
  }
  /// Rows first to first + 31; `first` is a multiple of 32.
  const float* At(std::int64_t first) const { return values_.data() + first * dim_; }

 private:
  std::int64_t dim_ = 0;
  std::vector<float> values_;
};

/// One key head of one text, and the query heads that read it.
class HeadBackward {
 public:
  HeadBackward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
               const at::Tensor& d_output, const AttentionOptions& options,
               const AttentionGradients& gradients)
      : q_(q.const_data_ptr<float>()),
        k_(k.const_data_ptr<float>()),
        v_(v.const_data_ptr<float>()),
        dy_(d_output.const_data_ptr<float>()),
        dq_(gradients.q.mutable_data_ptr<float>()),
        dk_(gradients.k.mutable_data_ptr<float>()),
        dv_(gradients.v.mutable_data_ptr<float>()),
        options_(options),
        seq_(q.size(1)),
        dim_(q.size(3)),
        q_stride_(q.size(2) * dim_),
        kv_stride_(k.size(2) * dim_),
        group_(q.size(2) / k.size(2)) {}

  void Run(std::int64_t text, std::int64_t kv_head) {
    const std::int64_t kv_at = text * seq_ * kv_stride_ + kv_head * dim_;
    keys_.Reset(seq_, dim_);
    keys_.Load(k_ + kv_at, seq_, kv_stride_, dim_);
    key_panels_.Load(k_ + kv_at, seq_, kv_stride_, dim_);
    value_panels_.Load(v_ + kv_at, seq_, kv_stride_, dim_);
    d_keys_.Reset(TileWidth(seq_), dim_);
    d_values_.Reset(TileWidth(seq_), dim_);
    for (std::int64_t head = kv_head * group_; head < (kv_head + 1) * group_; ++head) {
      for (std::int64_t first = 0; first < seq_; first += kQueryBlock) {
        Block(text * seq_ * q_stride_ + head * dim_, first, std::min(kQueryBlock, seq_ - first));
      }
    }
    d_keys_.Store(dk_ + kv_at, seq_, kv_stride_, dim_);
    d_values_.Store(dv_ + kv_at, seq_, kv_stride_, dim_);
  }

 private:
  std::int64_t FirstKey(std::int64_t query) const {
    return options_.window > 0 ? std::max<std::int64_t>(0, query + 1 - options_.window) : 0;
  }

  /// Queries [first, first + count) of a head whose first query lies at `head`. Rows of a tile
  /// beyond the count are 0 in d_output, and so add nothing.
  void Block(std::int64_t head, std::int64_t first, std::int64_t count) {
    const std::int64_t at = head + first * q_stride_;
    queries_.Reset(kQueryBlock, dim_);
    queries_.Load(q_ + at, count, q_stride_, dim_);
    d_outputs_.Reset(kQueryBlock, dim_);
    d_outputs_.Load(dy_ + at, count, q_stride_, dim_);
    begin_ = FirstKey(first) / kTileColumns * kTileColumns;
    weights_.Reset(kQueryBlock, first + count - begin_);
    scores_.Reset(kQueryBlock, first + count - begin_);
    d_queries_.Reset(kQueryBlock, dim_);
    for (std::int64_t row = 0; row < count; row += kTileRows) {
      QueryTile(first, row, std::min(kTileRows, count - row));
    }
    d_queries_.Store(dq_ + at, count, q_stride_, dim_);
    for (std::int64_t key = 0; key < first + count - begin_; key += kTileRows) {
      // The first query that sees the tile's first key.
      const std::int64_t row = std::max<std::int64_t>(0, begin_ + key - first);
      AddKeyTile(weights_, d_outputs_, row, key, &d_values_);
      AddKeyTile(scores_, queries_, row, key, &d_keys_);
    }
  }

  /// Weights and the scores' gradients of up to eight queries, and the queries' gradients.
  void QueryTile(std::int64_t first, std::int64_t row, std::int64_t rows) {
    const std::int64_t seen = first + row + rows - begin_;
    const auto products = [&](const Matrix& left, const Panels& right, Matrix* out) {
      for (std::int64_t j = 0; j < seen; j += kTileColumns) {
        MultiplyTile({left.Row(row), left.width(), 1, right.At(begin_ + j), kTileColumns, dim_,
                      out->Row(row) + j, out->width()});
      }
    };
    products(queries_, key_panels_, &weights_);
    products(d_outputs_, value_panels_, &scores_);
    const auto scale = static_cast<float>(options_.scale);
    for (std::int64_t i = row; i < row + rows; ++i) {
      const std::int64_t from = FirstKey(first + i) - begin_;
      const std::int64_t to = first + i + 1 - begin_;
      const float sum = SoftmaxRow(weights_.Row(i), from, to, weights_.width(), scale);
      ScoreGradient({weights_.Row(i), scores_.Row(i), from, to, scores_.width(), sum, scale});
    }
    for (std::int64_t j = 0; j < d_queries_.width(); j += kTileColumns) {
      MultiplyTile({scores_.Row(row), scores_.width(), 1, keys_.Row(begin_) + j, keys_.width(),
                    seen, d_queries_.Row(row) + j, d_queries_.width()});
    }
  }

  /// out [key ...] += left [row ..., key ...]^T right [row ...], for eight keys.
  void AddKeyTile(const Matrix& left, const Matrix& right, std::int64_t row, std::int64_t key,
                  Matrix* out) const {
    for (std::int64_t j = 0; j < out->width(); j += kTileColumns) {
      MultiplyTile({left.Row(row) + key, 1, left.width(), right.Row(row) + j, right.width(),
                    kQueryBlock - row, out->Row(begin_ + key) + j, out->width(), true});
    }
  }

  const float* q_;
  const float* k_;
  const float* v_;
  const float* dy_;
  float* dq_;
  float* dk_;
  float* dv_;
  AttentionOptions options_;
  std::int64_t seq_;
  std::int64_t dim_;
  std::int64_t q_stride_;
  std::int64_t kv_stride_;
  std::int64_t group_;      // query heads a key head
  std::int64_t begin_ = 0;  // the first key of the block that is looked at
  Matrix keys_;
  Panels key_panels_;
  Panels value_panels_;
  Matrix d_keys_;
  Matrix d_values_;
  Matrix queries_;
  Matrix d_outputs_;
  Matrix d_queries_;
  Matrix weights_;  // [query, key - begin_], the softmax
  Matrix scores_;   // the same, gradients of the scores
};

}  // namespace

AttentionGradients CausalAttentionBackward(const at::Tensor& q, const at::Tensor& k,
                                           const at::Tensor& v, const at::Tensor& d_output,
                                           const AttentionOptions& options) {
  ROUNDLAB_CHECK(q.dim() == 4 && q.sizes() == d_output.sizes() && k.sizes() == v.sizes() &&
                     k.size(0) == q.size(0) && k.size(1) == q.size(1) && k.size(3) == q.size(3) &&
                     q.size(2) % k.size(2) == 0,
                 "q must be [batch, seq, heads, dim], k and v [batch, seq, kv_heads, dim]");
  const AttentionGradients gradients = {at::empty_like(q), at::empty_like(k), at::empty_like(v)};
  const std::int64_t heads = k.size(2);
  at::parallel_for(0, k.size(0) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
    HeadBackward backward(q, k, v, d_output, options, gradients);
    for (std::int64_t i = begin; i < end; ++i) backward.Run(i / heads, i % heads);
  });
  return gradients;
}

}  // namespace roundlab
