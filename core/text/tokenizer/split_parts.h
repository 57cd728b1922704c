#pragma once

#include <string_view>
#include <vector>

#include "core/text/tokenizer/pre_tokenizer.h"
#include "core/text/unicode/regex.h"

namespace roundlab {

/// Turns the parts of a search, which cover `piece`, into pieces behind `out`. Empty ones are left
/// out.
void AppendSplit(const Piece& piece, const std::vector<TextPart>& parts, SplitBehavior behavior,
                 std::vector<Piece>* out);

}  // namespace roundlab
