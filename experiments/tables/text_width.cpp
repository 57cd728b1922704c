#include "experiments/tables/text_width.h"

#include <algorithm>

namespace roundlab {
namespace {

bool Continues(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

}  // namespace

std::size_t TextWidth(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !Continues(c); }));
}

std::size_t BytesOf(const std::string& text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (!Continues(text[at]) && count-- == 0) break;
  }
  return at;
}

}  // namespace roundlab
