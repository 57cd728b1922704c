#pragma once

#include <cstddef>
#include <string_view>

namespace roundlab {

/// The end of the extended grapheme cluster (UAX 29) that begins at `begin` of well-formed text.
std::size_t GraphemeEnd(std::string_view text, std::size_t begin);

}  // namespace roundlab
