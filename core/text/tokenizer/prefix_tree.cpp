#include "core/text/tokenizer/prefix_tree.h"

#include <algorithm>

namespace roundlab {

PrefixTree::PrefixTree(std::vector<std::pair<std::string_view, std::int32_t>> strings) {
  std::stable_sort(strings.begin(), strings.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Range {  // the strings that begin with what leads to a node
    std::size_t begin;
    std::size_t end;
    std::size_t depth;
  };
  std::vector<Range> ranges = {{0, strings.size(), 0}};
  nodes_.emplace_back();
  labels_ += '\0';
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    for (; begin < end && strings[begin].first.size() == depth; ++begin) {
      nodes_[node].value = strings[begin].second;
    }
    nodes_[node].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const char label = strings[begin].first[depth];
      std::size_t next = begin;
      while (next < end && strings[next].first[depth] == label) ++next;
      ranges.push_back({begin, next, depth + 1});
      nodes_.emplace_back();
      labels_ += label;
      ++nodes_[node].children;
      begin = next;
    }
  }
}

std::size_t PrefixTree::Child(std::size_t node, char label) const {
  const std::size_t first = nodes_[node].first_child;
  const std::string_view siblings = std::string_view(labels_).substr(first, nodes_[node].children);
  const std::size_t place = siblings.find(label);
  return place == std::string_view::npos ? 0 : first + place;
}

}  // namespace roundlab
