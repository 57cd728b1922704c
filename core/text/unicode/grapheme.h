#pragma once

#include <cstddef>
#include <string_view>

namespace roundlab {

/// The end of the extended grapheme cluster (UAX 29) that begins at `begin` of well-formed text, by
/// Unicode 17.0's properties, which the Hugging Face library has (tokenizers 0.23.3). Conjuncts of
/// Indic scripts (rule GB9c) are one cluster where the utf8proc here knows of them (2.9 does).
std::size_t GraphemeEnd(std::string_view text, std::size_t begin);

}  // namespace roundlab
