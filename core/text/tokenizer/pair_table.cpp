#include "core/text/tokenizer/pair_table.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <utility>

namespace roundlab {
namespace {

constexpr std::size_t kFewSymbols = 48;
constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::int32_t kGone = -1;

std::uint32_t RankOf(const PairTable& merges, std::int32_t left, std::int32_t right) {
  const Merge* merge = merges.Find(left, right);
  return merge == nullptr ? kNoRank : merge->rank;
}

void MergeFew(const PairTable& merges, std::vector<std::int32_t>* symbols) {
  std::vector<std::int32_t>& ids = *symbols;
  std::uint32_t ranks[kFewSymbols];
  std::size_t count = ids.size();
  for (std::size_t i = 0; i + 1 < count; ++i) ranks[i] = RankOf(merges, ids[i], ids[i + 1]);
  while (count > 1) {
    const std::uint32_t* lowest = std::min_element(ranks, ranks + count - 1);
    if (*lowest == kNoRank) break;
    const auto at = static_cast<std::size_t>(lowest - ranks);
    ids[at] = merges.Find(ids[at], ids[at + 1])->id;
    std::copy(ids.begin() + static_cast<std::ptrdiff_t>(at) + 2,
              ids.begin() + static_cast<std::ptrdiff_t>(count),
              ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    std::copy(ranks + at + 1, ranks + count - 1, ranks + at);
    --count;
    if (at > 0) ranks[at - 1] = RankOf(merges, ids[at - 1], ids[at]);
    if (at + 1 < count) ranks[at] = RankOf(merges, ids[at], ids[at + 1]);
  }
  ids.resize(count);
}

// Positions, taken lowest first. Most come in order, which costs less than a heap of all of them.
class Positions {
 public:
  bool empty() const { return next_ == ascending_.size() && others_.empty(); }

  void Add(std::uint32_t position) {
    if (ascending_.empty() || position >= ascending_.back()) {
      ascending_.push_back(position);
    } else {
      others_.push_back(position);
      std::push_heap(others_.begin(), others_.end(), std::greater<>());
    }
  }

  std::uint32_t TakeLowest() {
    const bool in_order = next_ < ascending_.size();
    if (in_order && (others_.empty() || ascending_[next_] <= others_.front())) {
      return ascending_[next_++];
    }
    std::pop_heap(others_.begin(), others_.end(), std::greater<>());
    const std::uint32_t lowest = others_.back();
    others_.pop_back();
    return lowest;
  }

 private:
  std::vector<std::uint32_t> ascending_;
  std::size_t next_ = 0;
  std::vector<std::uint32_t> others_;
};

// The symbols as a linked list, and the positions of the pairs that merge by the pair's rank.
class ManySymbols {
 public:
  ManySymbols(const PairTable& merges, std::vector<std::int32_t>* ids)
      : merges_(merges), ids_(*ids), next_(ids->size()), previous_(ids->size()) {
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      next_[i] = static_cast<std::uint32_t>(i + 1);
      previous_[i] = static_cast<std::uint32_t>(i) - 1;  // of the first: wraps to beyond the end
      if (i + 1 < ids_.size()) Push(static_cast<std::uint32_t>(i), next_[i]);
    }
  }

  void Run() {
    while (!positions_.empty()) {
      const auto first = positions_.begin();
      const std::uint32_t rank = first->first;
      const std::uint32_t left = first->second.TakeLowest();
      if (first->second.empty()) positions_.erase(first);
      Apply(rank, left);
    }
    ids_.erase(std::remove(ids_.begin(), ids_.end(), kGone), ids_.end());
  }

 private:
  void Push(std::uint32_t left, std::uint32_t right) {
    const std::uint32_t rank = RankOf(merges_, ids_[left], ids_[right]);
    if (rank != kNoRank) positions_[rank].Add(left);
  }

  void Apply(std::uint32_t rank, std::uint32_t left) {
    if (ids_[left] == kGone || next_[left] >= ids_.size()) return;
    const std::uint32_t right = next_[left];
    const Merge* merge = merges_.Find(ids_[left], ids_[right]);
    if (merge == nullptr || merge->rank != rank) return;  // the pair has changed since
    ids_[left] = merge->id;
    ids_[right] = kGone;
    const std::uint32_t behind = next_[right];
    next_[left] = behind;
    if (behind < ids_.size()) {
      previous_[behind] = left;
      Push(left, behind);
    }
    if (previous_[left] < ids_.size()) Push(previous_[left], left);
  }

  const PairTable& merges_;
  std::vector<std::int32_t>& ids_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  std::map<std::uint32_t, Positions> positions_;  // rank -> left symbols
};

}  // namespace

PairTable::PairTable(std::size_t capacity) {
  unsigned bits = 4;
  while ((std::size_t{1} << bits) < 2 * capacity + 2) ++bits;
  entries_.resize(std::size_t{1} << bits);
  mask_ = entries_.size() - 1;
  shift_ = 64 - bits;
}

void PairTable::Insert(std::int32_t left, std::int32_t right, Merge merge) {
  const std::uint64_t key = Key(left, right);
  std::size_t slot = Slot(key);
  while (entries_[slot].key != kFree && entries_[slot].key != key) slot = (slot + 1) & mask_;
  entries_[slot] = {key, merge};
}

void MergeAll(const PairTable& merges, std::vector<std::int32_t>* symbols) {
  if (symbols->size() <= kFewSymbols) {
    MergeFew(merges, symbols);
  } else {
    ManySymbols(merges, symbols).Run();
  }
}

}  // namespace roundlab
