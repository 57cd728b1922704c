#pragma once

#include <cstddef>
#include <string_view>

namespace roundlab {

/// U+2581, which stands for the space in sentencepiece's pieces.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

/// Where the first mark behind another character is: there a word begins. npos: nowhere.
inline std::size_t NextMarkedWord(std::string_view text) {
  std::size_t mark = 0;
  while (text.substr(mark).starts_with(kSpaceMark)) mark += kSpaceMark.size();
  return text.find(kSpaceMark, mark);
}

/// A text may be encoded word by word, word(view), where no piece goes from one word into the next
/// (no NextMarkedWord in it) and the mark is a piece itself: nothing is merged over such a border,
/// and no run of unknown characters crosses it.
template <typename Word>
void ForEachMarkedWord(std::string_view text, const Word& word) {
  while (!text.empty()) {
    const std::string_view next = text.substr(0, NextMarkedWord(text));
    word(next);
    text.remove_prefix(next.size());
  }
}

}  // namespace roundlab
