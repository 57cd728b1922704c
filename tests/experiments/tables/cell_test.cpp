#include "experiments/tables/cell.h"

#include <gtest/gtest.h>

namespace roundlab {
namespace {

TEST(FormatMeanTest, DigitsFollowTheHalfWidth) {
  // Student's t for two values: half width 12.706 |a - b| / 2.
  EXPECT_EQ(FormatMean({38.757}), "38.757");
  EXPECT_EQ(FormatMean({2.30470, 2.30480}), "2.30475 ± 0.00064 (n=2)");
  EXPECT_EQ(FormatMean({2.3047, 2.3057}), "2.3052 ± 0.0064 (n=2)");
  EXPECT_EQ(FormatMean({38, 39}), "38.5 ± 6.4 (n=2)");
  EXPECT_EQ(FormatMean({300, 400}), "350 ± 635 (n=2)");
}

TEST(LowerIsBetterTest, OfWhatEvaluatorsMeasure) {
  for (const char* metric :
       {"d/kl_mean", "d/kl_p99", "d/log_perplexity_ratio", "w/bits_per_byte", "t/perplexity"}) {
    EXPECT_EQ(LowerIsBetter(metric), true) << metric;
  }
  for (const char* metric : {"mmlu/acc", "mmlu/acc_group_mean", "mmlu/acc_norm_document_mean",
                             "d/log_perplexity_correlation", "d/same_top"}) {
    EXPECT_EQ(LowerIsBetter(metric), false) << metric;
  }
  for (const char* metric : {"d/kl_mean_stderr", "t/tokens"}) {
    EXPECT_EQ(LowerIsBetter(metric), std::nullopt) << metric;
  }
  EXPECT_EQ(LowerIsBetter("c4/perplexity + wikitext2/perplexity"), true);
  EXPECT_EQ(LowerIsBetter("piqa/acc_norm + boolq/acc"), false);
  EXPECT_EQ(LowerIsBetter("d/kl_mean + d/same_top"), std::nullopt);
  EXPECT_EQ(LowerIsBetter("d/tokens + d/kl_mean"), std::nullopt);
}

TEST(FormatMeanTest, WhatIsTooLongIsNotWrittenOut) {
  EXPECT_EQ(FormatMean({1e48, 3e48}), "2e+48 ± 1.3e+49 (n=2)");
  EXPECT_EQ(FormatMean({123456789, 123456790}), "123456789.5 ± 6.4 (n=2)");
  EXPECT_EQ(FormatNumber(4.30103e48), "4.301e+48");
  EXPECT_EQ(FormatNumber(-2e9), "-2e+09");
  EXPECT_EQ(FormatNumber(12029472), "12029472.0");
}

TEST(FormatMeanTest, AHalfWidthThatRoundsUpKeepsTwoDigits) {
  EXPECT_EQ(FormatMean({1, 1 + 2 * 0.0999 / 12.7062}), "1.01 ± 0.10 (n=2)");
}

TEST(FormatMeanTest, EqualValuesHaveNoWidth) {
  EXPECT_EQ(FormatMean({2.5, 2.5, 2.5}), "2.5000 ± 0.0000 (n=3)");
  const double mean = (0.1 + 0.7 + 1.5) / 3;
  const double other = (1.5 + 0.7 + 0.1) / 3;  // the same numbers in another order
  EXPECT_NE(mean, other);
  EXPECT_EQ(FormatMean({mean, other, mean}), "0.7667 ± 0.0000 (n=3)");
}

}  // namespace
}  // namespace roundlab
