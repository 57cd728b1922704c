#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/kernels/packed_attention.h"

namespace roundlab {

/// Token sequences laid one after the other for one forward pass, without padding. Sequences that
/// begin alike share those rows: they are kept as a tree.
class PackedTokens {
 public:
  using Ids = std::vector<std::int32_t>;

  /// Adds a sequence, not empty; answers the row of each of its tokens.
  std::vector<std::int64_t> Add(const Ids& sequence);

  std::int64_t rows() const { return static_cast<std::int64_t>(ids_.size()); }
  const std::vector<std::int64_t>& ids() const { return ids_; }
  const std::vector<std::int64_t>& positions() const { return positions_; }  ///< in its sequence
  /// What each row sees.
  std::vector<Segment> Segments() const;

 private:
  using Parent = std::optional<std::size_t>;  // place in nodes_; none: the text begins here
  /// Rows that are read one after the other; what comes before them is in the parents.
  struct Node {
    RowRange rows;
    Parent parent;
    std::vector<std::size_t> children;
  };
  std::vector<std::size_t>& Children(Parent node);
  Parent Find(Parent node, std::int32_t token);
  std::size_t Match(const RowRange& range, const Ids& sequence, std::size_t from) const;
  void Split(std::size_t node, std::size_t length);

  std::vector<std::int64_t> ids_;
  std::vector<std::int64_t> positions_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> roots_;
};

}  // namespace roundlab
