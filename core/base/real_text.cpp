#include "core/base/real_text.h"

#include <charconv>

namespace roundlab {

std::string RealText(double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value);
  return std::string(digits, end.ptr);
}

}  // namespace roundlab
