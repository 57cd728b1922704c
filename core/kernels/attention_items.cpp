#include "core/kernels/attention_items.h"

#include <algorithm>

#include "core/kernels/attention_tile.h"

namespace roundlab {

std::int64_t PrefixLength(const Segment& segment) {
  std::int64_t length = 0;
  for (const RowRange& range : segment.prefix) length += range.length;
  return length;
}

std::vector<Item> Items(const std::vector<Segment>& segments, std::int64_t kv_heads) {
  std::vector<Item> items;
  for (std::int64_t head = 0; head < kv_heads; ++head) {
    for (const Segment& segment : segments) {
      const std::int64_t prefix = PrefixLength(segment);
      for (std::int64_t first = 0; first < segment.own.length; first += kQueryBlock) {
        items.push_back(
            {&segment, prefix, first, std::min(kQueryBlock, segment.own.length - first), head});
      }
    }
  }
  return items;
}

std::vector<std::size_t> Divide(const std::vector<Item>& items, std::int64_t parts) {
  std::vector<std::int64_t> costs = {0};
  for (const Item& item : items) {
    costs.push_back(costs.back() + (item.count + kTileRows) * item.Keys());
  }
  std::vector<std::size_t> bounds;
  for (std::int64_t part = 0; part <= parts; ++part) {
    const auto bound = std::lower_bound(costs.begin(), costs.end(), costs.back() * part / parts);
    bounds.push_back(static_cast<std::size_t>(bound - costs.begin()));
  }
  return bounds;
}

std::int64_t SeenRows::Update(const Item& item) {
  wanted_.clear();
  for (const RowRange& range : item.segment->prefix) Want(range, range.length);
  Want(item.segment->own, item.first + item.count);
  if (item.kv_head != head_) rows_.clear();
  head_ = item.kv_head;
  const auto differ = std::mismatch(wanted_.begin(), wanted_.end(), rows_.begin(), rows_.end());
  const std::int64_t same = differ.first - wanted_.begin();
  rows_.swap(wanted_);
  return same;
}

void SeenRows::Want(const RowRange& range, std::int64_t length) {
  for (std::int64_t i = 0; i < length; ++i) wanted_.push_back(range.begin + i);
}

}  // namespace roundlab
