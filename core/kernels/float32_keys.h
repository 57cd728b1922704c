#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "core/kernels/attention_items.h"
#include "core/kernels/attention_tile.h"

// Only for packed_attention.cpp.

namespace roundlab {

/// Keys and values of the rows that an item sees, and eight queries' products with them, float32.
class Float32Keys {
 public:
  using Number = float;
  static constexpr std::int64_t kRows = kTileRows;

  Float32Keys(const at::Tensor& k, const at::Tensor& v)
      : k_(k.const_data_ptr<float>()),
        v_(v.const_data_ptr<float>()),
        heads_(k.size(1)),
        dim_(k.size(2)) {}

  /// What the item before has in common with this one at the start is there already.
  void Load(const Item& item) {
    const std::int64_t same = seen_.Update(item);
    const auto count = static_cast<std::int64_t>(seen_.rows().size());
    keys_.resize(static_cast<std::size_t>(TileWidth(count) * dim_));
    values_.resize(static_cast<std::size_t>(count * MixedWidth()));
    for (std::int64_t i = same; i < count; ++i) {
      const std::int64_t row = seen_.rows()[static_cast<std::size_t>(i)];
      const std::int64_t from = (row * heads_ + seen_.head()) * dim_;
      PutPanelRow(k_ + from, i, dim_, keys_.data());
      std::copy_n(v_ + from, dim_, values_.data() + i * MixedWidth());
    }
  }

  std::int64_t RowWidth() const { return dim_; }               // of a query
  std::int64_t MixedWidth() const { return TileWidth(dim_); }  // of what values are mixed to

  /// scores[8][width] = queries[8][RowWidth()] times keys [begin, end); any number beyond the last.
  void Score(const float* queries, std::int64_t begin, std::int64_t end, float* scores,
             std::int64_t width) const {
    for (std::int64_t j = 0; j < end - begin; j += kTileColumns) {
      MultiplyTile({queries, dim_, 1, keys_.data() + (begin + j) * dim_, kTileColumns, dim_,
                    scores + j, width});
    }
  }

  /// mixed[8][MixedWidth()] = weights[8][width] times values [begin, end).
  void Mix(const float* weights, std::int64_t width, std::int64_t begin, std::int64_t end,
           float* mixed) const {
    const std::int64_t wide = MixedWidth();
    const float* values = values_.data() + begin * wide;
    for (std::int64_t j = 0; j < wide; j += kTileColumns) {
      MultiplyTile({weights, width, 1, values + j, wide, end - begin, mixed + j, wide});
    }
  }

 private:
  const float* k_;
  const float* v_;
  std::int64_t heads_;
  std::int64_t dim_;
  SeenRows seen_;
  std::vector<float> keys_;    // panels, see PutPanelRow
  std::vector<float> values_;  // [rows, MixedWidth()]
};

}  // namespace roundlab
