#pragma once

#include <cstddef>
#include <string>

namespace roundlab {

/// Code points, which is about how wide a text is.
std::size_t TextWidth(const std::string& text);

/// Bytes of the first `count` characters.
std::size_t BytesOf(const std::string& text, std::size_t count);

}  // namespace roundlab
