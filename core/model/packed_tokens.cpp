#include "core/model/packed_tokens.h"

#include <algorithm>

#include "core/base/error.h"

namespace roundlab {
namespace {

std::int64_t SharedStart(const std::vector<PackedTokens::Ids>& sequences) {
  const PackedTokens::Ids& first = sequences.front();
  std::size_t shared = first.size();
  for (const PackedTokens::Ids& other : sequences) {
    const auto [a, b] =
        std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(shared),
                      other.begin(), other.end());
    shared = static_cast<std::size_t>(a - first.begin());
  }
  return static_cast<std::int64_t>(shared);
}

}  // namespace

void PackedTokens::Append(const Ids& sequence, std::int64_t first, std::int64_t last) {
  for (std::int64_t t = first; t < last; ++t) {
    ids_.push_back(sequence[static_cast<std::size_t>(t)]);
    positions_.push_back(t);
  }
}

PackedTokens::Place PackedTokens::Add(const std::vector<Ids>& sequences) {
  ROUNDLAB_CHECK(!sequences.empty(), "no sequence to pack");
  Place place;
  place.shared = SharedStart(sequences);
  place.shared_row = rows();
  if (place.shared > 0) segments_.push_back({rows(), place.shared, 0, 0});
  Append(sequences.front(), 0, place.shared);
  for (const Ids& sequence : sequences) {
    ROUNDLAB_CHECK(!sequence.empty(), "an empty sequence to pack");
    place.own_row.push_back(rows());
    const auto length = static_cast<std::int64_t>(sequence.size());
    if (length == place.shared) continue;
    segments_.push_back({rows(), length - place.shared, place.shared_row, place.shared});
    Append(sequence, place.shared, length);
  }
  return place;
}

void PackedTokens::Clear() {
  ids_.clear();
  positions_.clear();
  segments_.clear();
}

}  // namespace roundlab
