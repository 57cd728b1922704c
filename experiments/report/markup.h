#pragma once

#include <string>

namespace roundlab {

/// Any bytes as text of an HTML or SVG document, also inside quotes: & < > " ' become entities;
/// control characters that XML forbids and bytes that are not UTF-8 become U+FFFD each.
std::string Markup(const std::string& text);

/// At most `most` characters; what is longer ends in "…".
std::string Shortened(const std::string& text, std::size_t most);

}  // namespace roundlab
