#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roundlab {

/// Finds all of a set of strings that a text begins with. Immutable.
class PrefixTree {
 public:
  /// Strings, each with its value, which is not negative. Of equal strings the last one's value
  /// counts; the empty string is never found.
  explicit PrefixTree(std::vector<std::pair<std::string_view, std::int32_t>> strings);

  /// found(bytes, value) for each string that `text` begins with, the shortest first.
  template <typename Found>
  void ForEachPrefix(std::string_view text, const Found& found) const {
    std::size_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = Child(node, text[i]);
      if (node == 0) return;
      if (nodes_[node].value >= 0) found(i + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;
    std::uint32_t children = 0;
    std::int32_t value = -1;
  };
  std::size_t Child(std::size_t node, char label) const;  ///< 0, the root: there is none

  std::vector<Node> nodes_;
  std::string labels_;  // of each node the byte that leads to it; children lie side by side
};

}  // namespace roundlab
