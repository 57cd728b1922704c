#include "core/kernels/packed_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/kernels/attention_items.h"
#include "core/kernels/attention_tile.h"
#include "core/kernels/bfloat16_keys.h"
#include "core/kernels/device_attention.h"
#include "core/kernels/float32_keys.h"

namespace roundlab {
namespace {

/// Attention of work items, one after the other; `Keys` are Float32Keys or Bfloat16Keys.
template <class Keys>
class ItemAttention {
 public:
  ItemAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor* output,
                const AttentionOptions& options)
      : q_(q.const_data_ptr<Number>()),
        output_(output->mutable_data_ptr<Number>()),
        kv_(k, v),
        options_(options),
        dim_(q.size(2)),
        stride_(q.size(1) * q.size(2)),
        group_(q.size(1) / k.size(1)) {}

  void Run(const Item& item) {
    kv_.Load(item);
    for (std::int64_t row = 0; row < item.count * group_; row += kRows) Tile(item, row);
  }

 private:
  using Number = typename Keys::Number;
  static constexpr std::int64_t kRows = Keys::kRows;  // a tile

  /// Where row `row` of the item lies in q, and the keys it sees.
  struct Query {
    std::int64_t offset;
    std::int64_t head;
    std::int64_t first_key;
    std::int64_t last_key;
  };
  Query Find(const Item& item, std::int64_t row) const {
    const std::int64_t place = item.first + row % item.count;
    const std::int64_t head = item.kv_head * group_ + row / item.count;
    const std::int64_t last = item.prefix + place + 1;
    const std::int64_t hidden = options_.window > 0 ? last - options_.window : 0;
    return {(item.segment->own.begin + place) * stride_ + head * dim_, head,
            std::max<std::int64_t>(0, hidden), last};
  }

  /// Rows [first, first + kRows) of the item; one that is not full repeats its last row. Only keys
  /// that one of them sees are read.
  void Tile(const Item& item, std::int64_t first) {
    const std::int64_t rows = std::min(kRows, item.count * group_ - first);
    std::int64_t begin = item.Keys();
    std::int64_t end = 0;
    Query queries[static_cast<std::size_t>(kRows)];
    const std::int64_t row_width = kv_.RowWidth();
    rows_.resize(static_cast<std::size_t>(kRows * row_width));  // 0 beyond dim_
    for (std::int64_t i = 0; i < kRows; ++i) {
      queries[i] = Find(item, first + std::min(i, rows - 1));
      begin = std::min(begin, queries[i].first_key);
      end = std::max(end, queries[i].last_key);
      std::copy_n(q_ + queries[i].offset, dim_, rows_.data() + i * row_width);
    }
    begin = begin / kTileColumns * kTileColumns;
    const std::int64_t width = TileWidth(end - begin + (options_.sinks.empty() ? 0 : 1));
    scores_.resize(static_cast<std::size_t>(kRows * width));
    kv_.Score(rows_.data(), begin, end, scores_.data(), width);
    float sums[static_cast<std::size_t>(kRows)];
    for (std::int64_t i = 0; i < kRows; ++i) {
      sums[i] = Weigh(queries[i], begin, scores_.data() + i * width, width);
    }
    const std::int64_t wide = kv_.MixedWidth();
    mixed_.resize(static_cast<std::size_t>(kRows * wide));
    kv_.Mix(scores_.data(), width, begin, end, mixed_.data());
    for (std::int64_t i = 0; i < rows; ++i) {
      Number* out = output_ + queries[i].offset;
      const float* mixed = mixed_.data() + i * wide;
      for (std::int64_t d = 0; d < dim_; ++d) out[d] = mixed[d] / sums[i];
    }
  }

  /// SoftmaxRow of a row of products that begins with key `begin`. A sink is the key after the
  /// last.
  float Weigh(const Query& query, std::int64_t begin, float* row, std::int64_t width) const {
    const std::int64_t first = query.first_key - begin;
    const std::int64_t last = query.last_key - begin;
    if (options_.Plain()) {
      return SoftmaxRow(row, first, last, width, static_cast<float>(options_.scale));
    }
    AdjustScores(query, begin, row);
    if (options_.sinks.empty()) return SoftmaxRow(row, first, last, width, 1.0F);
    row[last] = options_.sinks[static_cast<std::size_t>(query.head)];
    const float sum = SoftmaxRow(row, first, last + 1, width, 1.0F);
    row[last] = 0;
    return sum;
  }

  /// Scales a row of products and puts in cap and slope; the row begins with key `begin`.
  void AdjustScores(const Query& query, std::int64_t begin, float* row) const {
    const auto scale = static_cast<float>(options_.scale);
    const auto cap = static_cast<float>(options_.soft_cap);
    const float slope =
        options_.slopes.empty() ? 0.0F : options_.slopes[static_cast<std::size_t>(query.head)];
    for (std::int64_t key = query.first_key; key < query.last_key; ++key) {
      float& score = row[key - begin];
      score *= scale;
      if (cap > 0) score = cap * std::tanh(score / cap);
      // From the query on, so that numbers stay small; softmax does not see the difference.
      score += slope * static_cast<float>(key - query.last_key);
    }
  }

  const Number* q_;
  Number* output_;
  Keys kv_;
  AttentionOptions options_;
  std::int64_t dim_;
  std::int64_t stride_;
  std::int64_t group_;  // query heads a key head
  std::vector<Number> rows_;
  std::vector<float> scores_;
  std::vector<float> mixed_;
};

void CheckShapes(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                 const std::vector<Segment>& segments) {
  ROUNDLAB_CHECK(q.dim() == 3 && k.sizes() == v.sizes() && k.size(0) == q.size(0) &&
                     k.size(2) == q.size(2) && q.size(1) % k.size(1) == 0,
                 "q must be [rows, heads, dim], k and v [rows, kv_heads, dim]");
  const auto inside = [&](const RowRange& range) {
    return range.begin >= 0 && range.length >= 0 && range.begin + range.length <= q.size(0);
  };
  for (const Segment& s : segments) {
    ROUNDLAB_CHECK(inside(s.own) && std::all_of(s.prefix.begin(), s.prefix.end(), inside),
                   "segment outside the packed rows");
  }
}

template <class Keys>
at::Tensor PackedOnCpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const std::vector<Segment>& segments, const AttentionOptions& options) {
  CheckShapes(q, k, v, segments);
  at::Tensor output = at::zeros_like(q);
  const std::vector<Item> items = Items(segments, k.size(1));
  const std::int64_t parts = at::get_num_threads();
  const std::vector<std::size_t> bounds = Divide(items, parts);
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    ItemAttention<Keys> attention(q, k, v, &output, options);
    const std::size_t last = bounds[static_cast<std::size_t>(end)];
    for (std::size_t i = bounds[static_cast<std::size_t>(begin)]; i < last; ++i) {
      attention.Run(items[i]);
    }
  });
  return output;
}

}  // namespace

std::vector<Segment> InChunks(const std::vector<Segment>& segments, std::int64_t chunk) {
  std::vector<Segment> pieces;
  for (const Segment& segment : segments) {
    const std::int64_t prefix = PrefixLength(segment);
    const std::int64_t end = prefix + segment.own.length;
    for (std::int64_t first = prefix; first < end;) {
      const std::int64_t begin = first / chunk * chunk;
      const std::int64_t next = std::min(begin + chunk, end);
      Segment piece = {{segment.own.begin + first - prefix, next - first}, {}};
      std::int64_t position = 0;
      for (const RowRange& range : segment.prefix) {
        const std::int64_t outside = std::clamp<std::int64_t>(begin - position, 0, range.length);
        position += range.length;
        if (outside == range.length) continue;
        piece.prefix.push_back({range.begin + outside, range.length - outside});
      }
      pieces.push_back(std::move(piece));
      first = next;
    }
  }
  return pieces;
}

at::Tensor PackedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const std::vector<Segment>& segments, const AttentionOptions& options) {
  if (options.chunk > 0) {
    const auto pieces = InChunks(segments, options.chunk);
    return PackedAttention(q, k, v, pieces, options.WithoutChunks());
  }
  if (options.Plain() && HasFlashAttention(q)) {
    CheckShapes(q, k, v, segments);
    return FlashPackedAttention(q, k, v, segments, options);
  }
  if (!q.is_cpu()) return PackedAttentionReference(q, k, v, segments, options);
  if (q.scalar_type() == at::kBFloat16 && HasTileUnits()) {
    return PackedOnCpu<Bfloat16Keys>(q.contiguous(), k.contiguous(), v.contiguous(), segments,
                                     options);
  }
  if (q.scalar_type() != at::kFloat) {
    return PackedAttention(q.to(at::kFloat), k.to(at::kFloat), v.to(at::kFloat), segments, options)
        .to(q.scalar_type());
  }
  return PackedOnCpu<Float32Keys>(q.contiguous(), k.contiguous(), v.contiguous(), segments,
                                  options);
}

at::Tensor AttentionWeights(const at::Tensor& scaled, const at::Tensor& hidden,
                            const AttentionOptions& options) {
  const std::int64_t keys = scaled.size(-1);
  const auto of_heads = [&](const std::vector<float>& numbers) {
    return at::tensor(at::ArrayRef<float>(numbers), scaled.options().dtype(at::kFloat))
        .view({-1, 1, 1});
  };
  at::Tensor scores = scaled;
  if (options.soft_cap > 0) scores = (scores / options.soft_cap).tanh() * options.soft_cap;
  if (!options.slopes.empty()) {
    const at::Tensor distance = at::arange(1 - keys, 1, scores.options().dtype(at::kFloat));
    scores = scores + (of_heads(options.slopes) * distance).to(scores.scalar_type());
  }
  if (hidden.defined()) scores = scores.masked_fill(hidden, -INFINITY);
  if (options.sinks.empty()) return scores.softmax(-1);
  std::vector<std::int64_t> column = scores.sizes().vec();
  column.back() = 1;
  const at::Tensor sinks = of_heads(options.sinks).to(scores.scalar_type()).expand(column);
  return at::cat({scores, sinks}, -1).softmax(-1).narrow(-1, 0, keys);
}

at::Tensor PackedAttentionReference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const std::vector<Segment>& segments,
                                    const AttentionOptions& options) {
  CheckShapes(q, k, v, segments);
  const std::int64_t group = q.size(1) / k.size(1);
  at::Tensor output = at::zeros_like(q);
  for (const Segment& s : segments) {
    const auto seen = [&](const at::Tensor& x) {
      std::vector<at::Tensor> parts;
      for (const RowRange& range : s.prefix)
        parts.push_back(x.narrow(0, range.begin, range.length));
      parts.push_back(x.narrow(0, s.own.begin, s.own.length));
      return at::cat(parts).repeat_interleave(group, 1).transpose(0, 1);
    };
    const std::int64_t prefix = PrefixLength(s);
    const at::Tensor keys = at::arange(prefix + s.own.length, q.options().dtype(at::kLong));
    const at::Tensor own = keys.narrow(0, prefix, s.own.length).unsqueeze(1);
    at::Tensor hidden = keys > own;
    if (options.window > 0) hidden = hidden.logical_or(keys <= own - options.window);
    if (options.chunk > 0) hidden = hidden.logical_or(keys < own - own % options.chunk);
    const at::Tensor scores =
        at::matmul(q.narrow(0, s.own.begin, s.own.length).transpose(0, 1), seen(k).transpose(1, 2));
    const at::Tensor weights = AttentionWeights(scores * options.scale, hidden, options);
    output.narrow(0, s.own.begin, s.own.length).copy_(at::matmul(weights, seen(v)).transpose(0, 1));
  }
  return output;
}

}  // namespace roundlab
