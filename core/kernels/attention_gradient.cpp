#include "core/kernels/attention_gradient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "core/kernels/attention_heads.h"
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
  explicit HeadBackward(const AttentionHeads<float>& heads) : all_(heads) {}

  void Run(std::int64_t text, std::int64_t kv_head) {
    const std::int64_t kv_at = text * all_.seq * all_.kv_stride + kv_head * all_.dim;
    keys_.Reset(all_.seq, all_.dim);
    keys_.Load(all_.k + kv_at, all_.seq, all_.kv_stride, all_.dim);
    key_panels_.Load(all_.k + kv_at, all_.seq, all_.kv_stride, all_.dim);
    value_panels_.Load(all_.v + kv_at, all_.seq, all_.kv_stride, all_.dim);
    d_keys_.Reset(TileWidth(all_.seq), all_.dim);
    d_values_.Reset(TileWidth(all_.seq), all_.dim);
    for (std::int64_t head = kv_head * all_.group; head < (kv_head + 1) * all_.group; ++head) {
      for (std::int64_t first = 0; first < all_.seq; first += kQueryBlock) {
        Block(text * all_.seq * all_.q_stride + head * all_.dim, first,
              std::min(kQueryBlock, all_.seq - first));
      }
    }
    d_keys_.Store(all_.dk + kv_at, all_.seq, all_.kv_stride, all_.dim);
    d_values_.Store(all_.dv + kv_at, all_.seq, all_.kv_stride, all_.dim);
  }

 private:
  /// Queries [first, first + count) of a head whose first query lies at `head`. Rows of a tile
  /// beyond the count are 0 in d_output, and so add nothing.
  void Block(std::int64_t head, std::int64_t first, std::int64_t count) {
    const std::int64_t at = head + first * all_.q_stride;
    queries_.Reset(kQueryBlock, all_.dim);
    queries_.Load(all_.q + at, count, all_.q_stride, all_.dim);
    d_outputs_.Reset(kQueryBlock, all_.dim);
    d_outputs_.Load(all_.dy + at, count, all_.q_stride, all_.dim);
    begin_ = all_.FirstKey(first) / kTileColumns * kTileColumns;
    weights_.Reset(kQueryBlock, first + count - begin_);
    scores_.Reset(kQueryBlock, first + count - begin_);
    d_queries_.Reset(kQueryBlock, all_.dim);
    for (std::int64_t row = 0; row < count; row += kTileRows) {
      QueryTile(first, row, std::min(kTileRows, count - row));
    }
    d_queries_.Store(all_.dq + at, count, all_.q_stride, all_.dim);
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
        MultiplyTile({left.Row(row), left.width(), 1, right.At(begin_ + j), kTileColumns, all_.dim,
                      out->Row(row) + j, out->width()});
      }
    };
    products(queries_, key_panels_, &weights_);
    products(d_outputs_, value_panels_, &scores_);
    const auto scale = static_cast<float>(all_.options.scale);
    for (std::int64_t i = row; i < row + rows; ++i) {
      const std::int64_t from = all_.FirstKey(first + i) - begin_;
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

  const AttentionHeads<float>& all_;
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
  const AttentionGradients gradients = EmptyGradients(q, k, v, d_output);
  const AttentionHeads<float> all(q, k, v, d_output, options, gradients);
  const std::int64_t heads = k.size(2);
  at::parallel_for(0, k.size(0) * heads, 1, [&](std::int64_t begin, std::int64_t end) {
    HeadBackward backward(all);
    for (std::int64_t i = begin; i < end; ++i) backward.Run(i / heads, i % heads);
  });
  return gradients;
}

}  // namespace roundlab
