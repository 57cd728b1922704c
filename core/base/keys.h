#pragma once

#include <vector>

namespace roundlab {

/// The keys of a map, in its order.
template <typename Map>
std::vector<typename Map::key_type> Keys(const Map& map) {
  std::vector<typename Map::key_type> keys;
  keys.reserve(map.size());
  for (const auto& entry : map) keys.push_back(entry.first);
  return keys;
}

}  // namespace roundlab
