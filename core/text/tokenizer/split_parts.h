#pragma once

#include <string_view>
#include <vector>

#include "core/text/unicode/regex.h"

namespace roundlab {

/// One of the stretches that a text is cut into; each becomes tokens on its own.
struct Piece {
  std::string_view text;  ///< not empty
  bool at_start;          ///< begins where the whole text begins
};

/// What becomes of the matches that cut a text: an own piece each, nothing, the end of the piece
/// before, the beginning of the piece behind, or one piece for matches that touch.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Turns the parts of a search, which cover `piece`, into pieces behind `out`. Empty ones are left
/// out.
void AppendSplit(const Piece& piece, const std::vector<TextPart>& parts, SplitBehavior behavior,
                 std::vector<Piece>* out);

}  // namespace roundlab
