#pragma once

#include <cstdint>
#include <vector>

namespace roundlab {

/// Rows [begin, begin + length) of packed tokens.
struct RowRange {
  std::int64_t begin = 0;
  std::int64_t length = 0;

  bool operator==(const RowRange&) const = default;
};

/// Rows of which each sees itself, those before it in `own`, and all rows of `prefix`, which lie
/// before it in the text, in that order. Many texts lie one after the other in one tensor, without
/// padding, and texts that begin alike share those rows.
struct Segment {
  RowRange own;
  std::vector<RowRange> prefix;
};

struct AttentionOptions {
  double scale = 1;         ///< of the products q k
  std::int64_t window = 0;  ///< keys a query sees, its own counted; 0 all
  /// Positions are cut into chunks of so many, and a query sees keys of its own alone; 0: no cuts.
  std::int64_t chunk = 0;
  double soft_cap = 0;  ///< c: scaled products become c tanh(product / c); 0 none
  /// A head: times the key's position in its text is added to the score (ALiBi); empty: nothing.
  std::vector<float> slopes = {};
  /// A head: the score of a key that every query sees and that has no value, so that the weights of
  /// the others sum to less than 1 (GPT-OSS); empty: there is none.
  std::vector<float> sinks = {};

  /// Within a chunk.
  AttentionOptions WithoutChunks() const {
    AttentionOptions options = *this;
    options.chunk = 0;
    return options;
  }
  bool Plain() const { return soft_cap == 0 && slopes.empty() && sinks.empty(); }
};

}  // namespace roundlab
