#include "core/base/layer_place.h"

#include <algorithm>
#include <charconv>

namespace roundlab {

LayerPlace PlaceOf(const std::string& layer) {
  LayerPlace place;
  bool found = false;
  for (std::size_t at = 0; at <= layer.size();) {
    const std::size_t dot = std::min(layer.find('.', at), layer.size());
    const char* end = layer.data() + dot;
    int number = 0;
    const auto read = std::from_chars(layer.data() + at, end, number);
    if (read.ec == std::errc() && read.ptr == end) {
      if (!found) place.block = number;
      found = true;
    } else {
      place.kind = layer.substr(at, dot - at);
    }
    at = dot + 1;
  }
  return place;
}

}  // namespace roundlab
