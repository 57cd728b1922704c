#include "core/text/unicode/grapheme.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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

}  // namespace
}  // namespace roundlab
