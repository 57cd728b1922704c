#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "core/kernels/attention_items.h"
#include "core/kernels/bfloat16_tile.h"

// Only for packed_attention.cpp.

namespace roundlab {

/// As Float32Keys, of bfloat16 and 32 queries: exact products, and weights as sums of two numbers.
class Bfloat16Keys {
 public:
  using Number = c10::BFloat16;
  static constexpr std::int64_t kRows = kUnitSide;

  Bfloat16Keys(const at::Tensor& k, const at::Tensor& v)
      : k_(k.const_data_ptr<Number>()),
        v_(v.const_data_ptr<Number>()),
        heads_(k.size(1)),
        dim_(k.size(2)),
        wide_(UnitWidth(dim_)) {}

  void Load(const Item& item) {
    const std::int64_t same = seen_.Update(item);
    const auto count = static_cast<std::int64_t>(seen_.rows().size());
    // Zeros beyond the last: products take all of them.
    keys_.resize(static_cast<std::size_t>(UnitWidth(count) * wide_));
    values_.resize(keys_.size());
    std::vector<Number> key(static_cast<std::size_t>(wide_));  // 0 beyond dim_
    std::vector<Number> value = key;
    for (std::int64_t i = same; i < UnitWidth(count); ++i) {
      if (i < count) {
        const std::int64_t row = seen_.rows()[static_cast<std::size_t>(i)];
        const std::int64_t from = (row * heads_ + seen_.head()) * dim_;
        std::copy_n(k_ + from, dim_, key.data());
        std::copy_n(v_ + from, dim_, value.data());
      } else {
        std::fill(key.begin(), key.end(), Number(0));
        value = key;
      }
      PutColumn(key.data(), i, wide_, keys_.data());
      PutRow(value.data(), i, wide_, values_.data());
    }
  }

  std::int64_t RowWidth() const { return wide_; }
  std::int64_t MixedWidth() const { return wide_; }

  void Score(const Number* queries, std::int64_t begin, std::int64_t end, float* scores,
             std::int64_t width) const {
    for (std::int64_t j = 0; j < end - begin; j += kUnitSide) {
      const Pair* keys = keys_.data() + (begin + j) * wide_ / 2;
      MultiplyUnit({{{{queries, keys}}}, 1, wide_, kUnitSide, wide_, scores + j, width});
    }
  }

  void Mix(const float* weights, std::int64_t width, std::int64_t begin, std::int64_t end,
           float* mixed) {
    const std::int64_t depth = UnitWidth(end - begin);
    const std::int64_t stride = depth + kUnitSide;
    high_.resize(static_cast<std::size_t>(kRows * stride));
    low_.resize(high_.size());
    for (std::int64_t i = 0; i < kRows; ++i) {
      Split(weights + i * width, depth, high_.data() + i * stride, low_.data() + i * stride);
    }
    for (std::int64_t j = 0; j < wide_; j += kUnitSide) {
      const Pair* values = values_.data() + begin / 2 * wide_ + j;
      MultiplyUnit({{{{high_.data(), values}, {low_.data(), values}}},
                    2,
                    stride,
                    wide_,
                    depth,
                    mixed + j,
                    wide_});
    }
  }

 private:
  TileScope tiles_;
  const Number* k_;
  const Number* v_;
  std::int64_t heads_;
  std::int64_t dim_;
  std::int64_t wide_;  // dim_ in whole units
  SeenRows seen_;
  std::vector<Pair> keys_;    // panels, see PutColumn
  std::vector<Pair> values_;  // [rows / 2, wide_]
  std::vector<Number> high_;
  std::vector<Number> low_;
};

}  // namespace roundlab
