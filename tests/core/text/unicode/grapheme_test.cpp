#include "core/text/unicode/grapheme.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/utf8.h"

namespace roundlab {
namespace {

std::vector<std::string> Clusters(std::string_view text) {
  std::vector<std::string> clusters;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = GraphemeEnd(text, begin);
    clusters.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return clusters;
}

using Texts = std::vector<std::string>;

// UAX 29, table 1a.
TEST(GraphemeTest, ClustersAreExtendedOnes) {
  EXPECT_EQ(Clusters("ab\r\n\n"), (Texts{"a", "b", "\r\n", "\n"}));
  EXPECT_EQ(Clusters("e\u0301\u0302x"), (Texts{"e\u0301\u0302", "x"}));
  EXPECT_EQ(Clusters("\u0301a"), (Texts{"\u0301", "a"}));
  EXPECT_EQ(Clusters("\n\u0301"), (Texts{"\n", "\u0301"}));
  EXPECT_EQ(Clusters("\u0600a"), (Texts{"\u0600a"}));
  EXPECT_EQ(Clusters("\u1100\u1161\u11A8\uAC00"), (Texts{"\u1100\u1161\u11A8", "\uAC00"}));
  EXPECT_EQ(Clusters("\U0001F1E9\U0001F1EA\U0001F1E9"),
            (Texts{"\U0001F1E9\U0001F1EA", "\U0001F1E9"}));
  EXPECT_EQ(Clusters("\u00A9\u200D\u00A9"), (Texts{"\u00A9\u200D\u00A9"}));
}

// What the Hugging Face library joins (tokenizers 0.23.3), whatever version utf8proc is of.
TEST(GraphemeTest, PropertiesAreThoseOfUnicode17) {
  std::int64_t behind = 0;
  std::int64_t in_front = 0;
  for (char32_t c = 1; c <= 0xE01FF; ++c) {
    if (c == 0x20000) c = 0xE0000;  // in between are ideographs
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string character;
    AppendUtf8(c, &character);
    if (GraphemeEnd("a" + character, 0) > 1) ++behind;
    if (GraphemeEnd(character + "a", 0) > character.size()) ++in_front;
  }
  EXPECT_EQ(behind, 2619);
  EXPECT_EQ(in_front, 27);
  EXPECT_EQ(Clusters("\u0897\u0897a"), (Texts{"\u0897\u0897", "a"}));
}

}  // namespace
}  // namespace roundlab
