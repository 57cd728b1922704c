#include "core/base/suggest.h"

#include <gtest/gtest.h>

namespace roundlab {
namespace {

TEST(SuggestTest, DistanceCountsEditsAndSwaps) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("lr", ""), 2);
  EXPECT_EQ(EditDistance("bits", "bits"), 0);
  EXPECT_EQ(EditDistance("bits", "bit"), 1);
  EXPECT_EQ(EditDistance("bits", "bist"), 1);
  EXPECT_EQ(EditDistance("bits", "mitts"), 2);
  EXPECT_EQ(EditDistance("ca", "abc"), 3);
}

TEST(SuggestTest, NearestWithinAThirdOfTheWord) {
  EXPECT_EQ(Suggest("colum", {"row", "column"}), "column");
  EXPECT_EQ(Suggest("zzz", {"row", "column"}), std::nullopt);
  EXPECT_EQ(Suggest("a", {"b", "c"}), "b");
  EXPECT_EQ(Suggest("a", {}), std::nullopt);
}

TEST(SuggestTest, SuffixListsAllSorted) {
  EXPECT_EQ(SuggestionSuffix("colum", {"row", "column"}),
            "; did you mean 'column'? (known: column, row)");
  EXPECT_EQ(SuggestionSuffix("zzz", {"row", "column"}), " (known: column, row)");
  EXPECT_EQ(SuggestionSuffix("zzz", {}), " (there are none)");
}

}  // namespace
}  // namespace roundlab
