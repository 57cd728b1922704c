#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/kernels/attention.h"

// The parts in which attention of packed texts is computed; not for other folders.

namespace roundlab {

std::int64_t PrefixLength(const Segment& segment);

/// A work item: queries [first, first + count) of a segment, for one key head. Its rows are the
/// queries of all heads that read that head's keys.
struct Item {
  const Segment* segment;
  std::int64_t prefix;  // its rows
  std::int64_t first;
  std::int64_t count;
  std::int64_t kv_head;

  std::int64_t Keys() const { return prefix + first + count; }
};

/// A head's items lie together, so that one finds its keys where the one before left them.
std::vector<Item> Items(const std::vector<Segment>& segments, std::int64_t kv_heads);

/// Bounds of `parts` runs of items that take about the same time: parts + 1 indices.
std::vector<std::size_t> Divide(const std::vector<Item>& items, std::int64_t parts);

/// The rows of k and v that an item sees, in their order.
class SeenRows {
 public:
  /// How many of them, from the first on, are those of the item before, of the same head.
  std::int64_t Update(const Item& item);

  const std::vector<std::int64_t>& rows() const { return rows_; }
  std::int64_t head() const { return head_; }

 private:
  void Want(const RowRange& range, std::int64_t length);

  std::int64_t head_ = -1;
  std::vector<std::int64_t> rows_;
  std::vector<std::int64_t> wanted_;
};

}  // namespace roundlab
