#include "core/text/tokenizer/split_parts.h"

#include <algorithm>

namespace roundlab {
namespace {

// A match joins the part that was seen before it, where that was no match itself.
std::vector<TextPart> JoinMatches(const std::vector<TextPart>& parts) {
  std::vector<TextPart> joined;
  bool previous_match = false;
  for (const TextPart& part : parts) {
    if (part.is_match && !previous_match && !joined.empty()) {
      joined.back().begin = std::min(joined.back().begin, part.begin);
      joined.back().end = std::max(joined.back().end, part.end);
    } else {
      joined.push_back(part);
    }
    previous_match = part.is_match;
  }
  return joined;
}

std::vector<TextPart> JoinRuns(const std::vector<TextPart>& parts) {
  std::vector<TextPart> joined;
  bool previous_match = false;
  for (const TextPart& part : parts) {
    if (part.is_match == previous_match && !joined.empty()) {
      joined.back().end = part.end;
    } else {
      joined.push_back(part);
    }
    previous_match = part.is_match;
  }
  return joined;
}

void Append(const Piece& piece, const std::vector<TextPart>& parts, bool drop_matches,
            std::vector<Piece>* out) {
  for (const TextPart& part : parts) {
    if (part.begin == part.end || (drop_matches && part.is_match)) continue;
    out->push_back(
        {piece.text.substr(part.begin, part.end - part.begin), piece.at_start && part.begin == 0});
  }
}

}  // namespace

void AppendSplit(const Piece& piece, const std::vector<TextPart>& parts, SplitBehavior behavior,
                 std::vector<Piece>* out) {
  switch (behavior) {
    case SplitBehavior::kIsolated:
      return Append(piece, parts, false, out);
    case SplitBehavior::kRemoved:
      return Append(piece, parts, true, out);
    case SplitBehavior::kContiguous:
      return Append(piece, JoinRuns(parts), false, out);
    case SplitBehavior::kMergedWithPrevious:
      return Append(piece, JoinMatches(parts), false, out);
    case SplitBehavior::kMergedWithNext: {
      std::vector<TextPart> reversed(parts.rbegin(), parts.rend());
      reversed = JoinMatches(reversed);
      std::reverse(reversed.begin(), reversed.end());
      return Append(piece, reversed, false, out);
    }
  }
}

}  // namespace roundlab
