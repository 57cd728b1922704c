#include "core/model/packed_tokens.h"

#include <algorithm>
#include <utility>

#include "core/base/error.h"

namespace roundlab {

std::vector<std::size_t>& PackedTokens::Children(Parent node) {
  return node ? nodes_[*node].children : roots_;
}

/// The child that begins with the token; none where there is none.
PackedTokens::Parent PackedTokens::Find(Parent node, std::int32_t token) {
  for (const std::size_t child : Children(node)) {
    if (ids_[static_cast<std::size_t>(nodes_[child].rows.begin)] == token) return child;
  }
  return {};
}

/// How many tokens of the rows and of the sequence, from there on, are the same.
std::size_t PackedTokens::Match(const RowRange& range, const Ids& sequence,
                                std::size_t from) const {
  const auto begin = ids_.begin() + range.begin;
  const auto [row, token] =
      std::mismatch(begin, begin + range.length,
                    sequence.begin() + static_cast<std::ptrdiff_t>(from), sequence.end());
  return static_cast<std::size_t>(row - begin);
}

/// Makes what follows the first `length` rows of a node its child.
void PackedTokens::Split(std::size_t node, std::size_t length) {
  const auto kept = static_cast<std::int64_t>(length);
  Node rest{{nodes_[node].rows.begin + kept, nodes_[node].rows.length - kept},
            node,
            std::move(nodes_[node].children)};
  const std::size_t place = nodes_.size();
  for (const std::size_t child : rest.children) nodes_[child].parent = place;
  nodes_.push_back(std::move(rest));
  nodes_[node].rows.length = kept;
  nodes_[node].children = {place};
}

std::vector<std::int64_t> PackedTokens::Add(const Ids& sequence) {
  ROUNDLAB_CHECK(!sequence.empty(), "an empty sequence to pack");
  std::vector<std::int64_t> places;
  const auto take = [&](std::int64_t row, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) places.push_back(row++);
  };
  Parent node;
  while (places.size() < sequence.size()) {
    const Parent child = Find(node, sequence[places.size()]);
    if (!child) break;
    const RowRange range = nodes_[*child].rows;
    const std::size_t same = Match(range, sequence, places.size());
    take(range.begin, same);
    if (same < static_cast<std::size_t>(range.length)) Split(*child, same);
    node = child;
  }
  const std::size_t shared = places.size();
  if (shared == sequence.size()) return places;
  const std::size_t own = sequence.size() - shared;
  Children(node).push_back(nodes_.size());
  nodes_.push_back({{rows(), static_cast<std::int64_t>(own)}, node, {}});
  take(rows(), own);
  for (std::size_t t = shared; t < sequence.size(); ++t) {
    ids_.push_back(sequence[t]);
    positions_.push_back(static_cast<std::int64_t>(t));
  }
  return places;
}

std::vector<Segment> PackedTokens::Segments() const {
  std::vector<Segment> segments;
  for (const Node& node : nodes_) {
    Segment segment{node.rows, {}};
    for (Parent i = node.parent; i; i = nodes_[*i].parent) {
      segment.prefix.push_back(nodes_[*i].rows);
    }
    std::reverse(segment.prefix.begin(), segment.prefix.end());
    segments.push_back(std::move(segment));
  }
  return segments;
}

}  // namespace roundlab
