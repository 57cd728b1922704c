#pragma once

#include <cstdint>
#include <vector>

namespace roundlab {

struct Merge {
  std::uint32_t rank;
  std::int32_t id;  ///< of the merged token
};

/// A hash map from pairs of non-negative token ids to merges: open addressing, at most half full.
class PairTable {
 public:
  explicit PairTable(std::size_t capacity);
  /// A later merge of the same pair replaces an earlier one.
  void Insert(std::int32_t left, std::int32_t right, Merge merge);
  /// null where the pair does not merge.
  const Merge* Find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = Key(left, right);
    for (std::size_t slot = Slot(key);; slot = (slot + 1) & mask_) {
      if (entries_[slot].key == key) return &entries_[slot].merge;
      if (entries_[slot].key == kFree) return nullptr;
    }
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Entry {
    std::uint64_t key = kFree;
    Merge merge{};
  };
  static std::uint64_t Key(std::int32_t left, std::int32_t right) {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) |
           static_cast<std::uint32_t>(right);
  }
  std::size_t Slot(std::uint64_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ULL) >> shift_) & mask_;
  }

  std::vector<Entry> entries_;
  std::size_t mask_;
  unsigned shift_;
};

/// Merges `symbols` in place until no neighbouring pair is in `merges`: lowest rank first, leftmost
/// among equals. O(n^2) for a few symbols, O(n log n) for many.
void MergeAll(const PairTable& merges, std::vector<std::int32_t>* symbols);

}  // namespace roundlab
