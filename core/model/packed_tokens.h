#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/packed_attention.h"

namespace roundlab {

/// Token sequences laid one after the other for one forward pass, without padding. Sequences that
/// begin alike share those rows.
class PackedTokens {
 public:
  using Ids = std::vector<std::int32_t>;

  /// Adds sequences, none empty. Answers where they lie: row of token t of sequence i is
  /// Row(answer, i, t).
  struct Place {
    std::int64_t shared = 0;            ///< tokens that all have in common at their start
    std::int64_t shared_row = 0;        ///< row of the first of them
    std::vector<std::int64_t> own_row;  ///< a sequence: row of its first token after those
    std::int64_t Row(std::size_t sequence, std::int64_t token) const {
      return token < shared ? shared_row + token : own_row[sequence] + token - shared;
    }
  };
  Place Add(const std::vector<Ids>& sequences);

  std::int64_t rows() const { return static_cast<std::int64_t>(ids_.size()); }
  const std::vector<std::int64_t>& ids() const { return ids_; }
  const std::vector<std::int64_t>& positions() const { return positions_; }  ///< in its sequence
  const std::vector<Segment>& segments() const { return segments_; }
  void Clear();

 private:
  void Append(const Ids& sequence, std::int64_t first, std::int64_t last);

  std::vector<std::int64_t> ids_;
  std::vector<std::int64_t> positions_;
  std::vector<Segment> segments_;
};

}  // namespace roundlab
