#include "core/kernels/packed_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/error.h"
#include "core/kernels/vector_math.h"

namespace roundlab {
namespace {

constexpr std::int64_t kRows = 8;      // queries a tile
constexpr std::int64_t kColumns = 32;  // keys, or dimensions, a tile
constexpr std::int64_t kBlock = 64;    // queries a work item

std::int64_t RoundUp(std::int64_t n) { return (n + kColumns - 1) / kColumns * kColumns; }

/// Sixteen floats in one register, where the machine has such; loads need no alignment.
using Lanes = float __attribute__((vector_size(64)));
using LanesInMemory = float __attribute__((vector_size(64), aligned(4), may_alias));
constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kLanesPerTile = kColumns / kLanes;

/// c[8][32] = a[8][depth] b[depth][32] with row strides lda, ldb, ldc.
struct TileProduct {
  const float* a;
  std::int64_t lda;
  const float* b;
  std::int64_t ldb;
  std::int64_t depth;
  float* c;
  std::int64_t ldc;
};

ROUNDLAB_SIMD void MultiplyTile(const TileProduct& t) {
  Lanes sums[kRows][kLanesPerTile] = {};
  for (std::int64_t k = 0; k < t.depth; ++k) {
    const float* row = t.b + k * t.ldb;
    Lanes right[kLanesPerTile];
#pragma GCC unroll 2
    for (std::int64_t j = 0; j < kLanesPerTile; ++j) {
      right[j] = *reinterpret_cast<const LanesInMemory*>(row + kLanes * j);
    }
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < kRows; ++i) {
      const float left = t.a[i * t.lda + k];
#pragma GCC unroll 2
      for (std::int64_t j = 0; j < kLanesPerTile; ++j) sums[i][j] += left * right[j];
    }
  }
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (std::int64_t j = 0; j < kLanesPerTile; ++j) {
      *reinterpret_cast<LanesInMemory*>(t.c + i * t.ldc + kLanes * j) = sums[i][j];
    }
  }
}

/// x[i] = exp(scale (x[i] - top)) over [first, last), top their largest; 0 elsewhere in [0, width).
/// Returns the sum.
ROUNDLAB_SIMD float SoftmaxRow(float* x, std::int64_t first, std::int64_t last, std::int64_t width,
                               float scale) {
  float top = x[first];
  for (std::int64_t i = first; i < last; ++i) top = x[i] > top ? x[i] : top;
  float sums[kColumns] = {};
  std::int64_t i = first;
  for (; i + kColumns <= last; i += kColumns) {
    for (std::int64_t k = 0; k < kColumns; ++k) {
      x[i + k] = FastExp(scale * (x[i + k] - top));
      sums[k] += x[i + k];
    }
  }
  float total = 0;
  for (; i < last; ++i) {
    x[i] = FastExp(scale * (x[i] - top));
    total += x[i];
  }
  for (const float sum : sums) total += sum;
  std::fill(x, x + first, 0.0F);
  std::fill(x + last, x + width, 0.0F);
  return total;
}

/// k and v of one head over a prefix and the start of a segment, as the tiles read them.
class KeysAndValues {
 public:
  KeysAndValues(const at::Tensor& k, const at::Tensor& v, std::int64_t head)
      : k_(k.const_data_ptr<float>() + head * k.size(2)),
        v_(v.const_data_ptr<float>() + head * k.size(2)),
        stride_(k.size(1) * k.size(2)),
        dim_(k.size(2)) {}

  void Load(const Segment& segment, std::int64_t own) {
    count_ = segment.prefix_length + own;
    keys_.assign(static_cast<std::size_t>(dim_ * Width()), 0.0F);
    values_.assign(static_cast<std::size_t>(count_ * DimWidth()), 0.0F);
    for (std::int64_t i = 0; i < count_; ++i) {
      const std::int64_t row = i < segment.prefix_length
                                   ? segment.prefix_begin + i
                                   : segment.begin + i - segment.prefix_length;
      const float* key = k_ + row * stride_;
      for (std::int64_t d = 0; d < dim_; ++d)
        keys_[static_cast<std::size_t>(d * Width() + i)] = key[d];
      std::memcpy(&values_[static_cast<std::size_t>(i * DimWidth())], v_ + row * stride_,
                  static_cast<std::size_t>(dim_) * sizeof(float));
    }
  }

  std::int64_t Width() const { return RoundUp(count_); }
  std::int64_t DimWidth() const { return RoundUp(dim_); }
  const float* keys() const { return keys_.data(); }      ///< [dim, Width()], 0 beyond the count
  const float* values() const { return values_.data(); }  ///< [count, DimWidth()]

 private:
  const float* k_;
  const float* v_;
  std::int64_t stride_;
  std::int64_t dim_;
  std::int64_t count_ = 0;
  std::vector<float> keys_;
  std::vector<float> values_;
};

/// A work item: queries [first, first + count) of a segment, for one key head.
struct Item {
  const Segment* segment;
  std::int64_t first;
  std::int64_t count;
  std::int64_t kv_head;
};

/// Attention of one work item. Its rows are the queries of all heads that read the same keys.
class ItemAttention {
 public:
  ItemAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor* output,
                const AttentionOptions& options)
      : q_(q.const_data_ptr<float>()),
        output_(output->mutable_data_ptr<float>()),
        k_(k),
        v_(v),
        options_(options),
        dim_(q.size(2)),
        stride_(q.size(1) * q.size(2)),
        group_(q.size(1) / k.size(1)) {}

  void Run(const Item& item) {
    KeysAndValues kv(k_, v_, item.kv_head);
    kv.Load(*item.segment, item.first + item.count);
    for (std::int64_t row = 0; row < item.count * group_; row += kRows) Tile(item, kv, row);
  }

 private:
  /// Where row `row` of the item lies in q, and the keys it sees.
  struct Query {
    std::int64_t offset;
    std::int64_t first_key;
    std::int64_t last_key;
  };
  Query Find(const Item& item, std::int64_t row) const {
    const std::int64_t place = item.first + row % item.count;
    const std::int64_t head = item.kv_head * group_ + row / item.count;
    const std::int64_t last = item.segment->prefix_length + place + 1;
    const std::int64_t hidden = options_.window > 0 ? last - options_.window : 0;
    return {(item.segment->begin + place) * stride_ + head * dim_,
            std::max<std::int64_t>(0, hidden), last};
  }

  /// Rows [first, first + kRows) of the item; one that is not full repeats its last row.
  void Tile(const Item& item, const KeysAndValues& kv, std::int64_t first) {
    const std::int64_t rows = std::min(kRows, item.count * group_ - first);
    std::int64_t seen = 0;
    Query queries[kRows];
    rows_.resize(static_cast<std::size_t>(kRows * dim_));
    for (std::int64_t i = 0; i < kRows; ++i) {
      queries[i] = Find(item, first + std::min(i, rows - 1));
      seen = std::max(seen, queries[i].last_key);
      std::copy_n(q_ + queries[i].offset, dim_, rows_.data() + i * dim_);
    }
    const std::int64_t width = RoundUp(seen);
    scores_.resize(static_cast<std::size_t>(kRows * width));
    for (std::int64_t j = 0; j < width; j += kColumns) {
      MultiplyTile(
          {rows_.data(), dim_, kv.keys() + j, kv.Width(), dim_, scores_.data() + j, width});
    }
    float sums[kRows];
    for (std::int64_t i = 0; i < kRows; ++i) {
      sums[i] = SoftmaxRow(scores_.data() + i * width, queries[i].first_key, queries[i].last_key,
                           width, static_cast<float>(options_.scale));
    }
    const std::int64_t wide = kv.DimWidth();
    mixed_.resize(static_cast<std::size_t>(kRows * wide));
    for (std::int64_t j = 0; j < wide; j += kColumns) {
      MultiplyTile({scores_.data(), width, kv.values() + j, wide, seen, mixed_.data() + j, wide});
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      float* out = output_ + queries[i].offset;
      for (std::int64_t d = 0; d < dim_; ++d)
        out[d] = mixed_[static_cast<std::size_t>(i * wide + d)] / sums[i];
    }
  }

  const float* q_;
  float* output_;
  const at::Tensor& k_;
  const at::Tensor& v_;
  AttentionOptions options_;
  std::int64_t dim_;
  std::int64_t stride_;
  std::int64_t group_;  // query heads a key head
  std::vector<float> rows_;
  std::vector<float> scores_;
  std::vector<float> mixed_;
};

std::vector<Item> Items(const std::vector<Segment>& segments, std::int64_t kv_heads) {
  std::vector<Item> items;
  for (const Segment& segment : segments) {
    for (std::int64_t first = 0; first < segment.length; first += kBlock) {
      for (std::int64_t head = 0; head < kv_heads; ++head) {
        items.push_back({&segment, first, std::min(kBlock, segment.length - first), head});
      }
    }
  }
  return items;
}

void CheckShapes(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                 const std::vector<Segment>& segments) {
  ROUNDLAB_CHECK(q.dim() == 3 && k.sizes() == v.sizes() && k.size(0) == q.size(0) &&
                     k.size(2) == q.size(2) && q.size(1) % k.size(1) == 0,
                 "q must be [rows, heads, dim], k and v [rows, kv_heads, dim]");
  for (const Segment& s : segments) {
    ROUNDLAB_CHECK(s.begin >= 0 && s.length >= 0 && s.begin + s.length <= q.size(0) &&
                       s.prefix_begin >= 0 && s.prefix_begin + s.prefix_length <= q.size(0),
                   "segment outside the packed rows");
  }
}

}  // namespace

at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<Segment>& segments, const AttentionOptions& options) {
  CheckShapes(q, k, v, segments);
  at::Tensor output = at::zeros_like(q);
  const std::vector<Item> items = Items(segments, k.size(1));
  at::parallel_for(0, static_cast<std::int64_t>(items.size()), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     ItemAttention attention(q, k, v, &output, options);
                     for (std::int64_t i = begin; i < end; ++i) {
                       attention.Run(items[static_cast<std::size_t>(i)]);
                     }
                   });
  return output;
}

at::Tensor PackedAttentionReference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const std::vector<Segment>& segments,
                                    const AttentionOptions& options) {
  CheckShapes(q, k, v, segments);
  const std::int64_t group = q.size(1) / k.size(1);
  at::Tensor output = at::zeros_like(q);
  for (const Segment& s : segments) {
    const auto seen = [&](const at::Tensor& x) {
      return at::cat({x.narrow(0, s.prefix_begin, s.prefix_length), x.narrow(0, s.begin, s.length)})
          .repeat_interleave(group, 1)
          .transpose(0, 1);
    };
    const at::Tensor keys = at::arange(s.prefix_length + s.length, at::kLong);
    const at::Tensor own = keys.narrow(0, s.prefix_length, s.length).unsqueeze(1);
    at::Tensor hidden = keys > own;
    if (options.window > 0) hidden = hidden.logical_or(keys <= own - options.window);
    const at::Tensor scores =
        at::matmul(q.narrow(0, s.begin, s.length).transpose(0, 1), seen(k).transpose(1, 2));
    const at::Tensor weights = (scores * options.scale).masked_fill(hidden, -INFINITY).softmax(-1);
    output.narrow(0, s.begin, s.length).copy_(at::matmul(weights, seen(v)).transpose(0, 1));
  }
  return output;
}

}  // namespace roundlab
