#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "tests/experiments/tables/compare_fixture.h"

namespace roundlab {
namespace {

using testing::ExpectNear;
using testing::WrittenRun;
using Values = std::vector<double>;

class CompareNllTest : public testing::CompareTest {};

TEST_F(CompareNllTest, LikelihoodsArePerTokenAndGetTheTTestAndTheBootstrap) {
  const Values a = {20, 24, 32, 28};
  const Values b = {22, 24, 34, 32};
  for (const auto& [run, nll] : {std::pair{&a_, &a}, std::pair{&b_, &b}}) {
    run->Add("eval/w/nll", *nll);
    run->Add("eval/w/tokens", Values(4, 8));
  }
  const Comparison compared = Compare(5);
  ASSERT_EQ(compared.figures.size(), 2U);
  const ComparedFigure& nll = compared.figures[0];
  EXPECT_EQ(nll.name, "w/nll");
  EXPECT_EQ(nll.count, 4U);
  EXPECT_EQ(nll.test, "paired t");
  EXPECT_DOUBLE_EQ(nll.a, 3.25);
  EXPECT_DOUBLE_EQ(nll.b, 3.5);
  ExpectNear(nll.tested, PairedT(Values{2.5, 3, 4, 3.5}, Values{2.75, 3, 4.25, 4}));
  ExpectNear(nll.bootstrap,
             PairedBootstrap(Values{2.5, 3, 4, 3.5}, Values{2.75, 3, 4.25, 4}, {9999, 5}));
  const ComparedFigure& perplexity = compared.figures[1];
  const double p = std::exp(3.25);
  EXPECT_EQ(perplexity.name, "w/perplexity");
  EXPECT_DOUBLE_EQ(perplexity.a, p);
  EXPECT_DOUBLE_EQ(perplexity.b, std::exp(3.5));
  for (const auto& [result, log] :
       {std::pair{perplexity.tested, nll.tested}, std::pair{perplexity.bootstrap, nll.bootstrap}}) {
    EXPECT_DOUBLE_EQ(result.difference, std::exp(3.5) - p);
    EXPECT_DOUBLE_EQ(p + result.low, p * std::exp(log.low));
    EXPECT_DOUBLE_EQ(p + result.high, p * std::exp(log.high));
    EXPECT_EQ(result.p, log.p);
  }
}

TEST_F(CompareNllTest, DocumentsThatAreScoredWholeAreThePairs) {
  for (WrittenRun* run : {&a_, &b_}) {
    run->Add("eval/r/nll", {1, 2, 3});  // windows of two documents
    run->Add("eval/r/tokens", {4, 4, 8});
    run->Add("eval/r/document_tokens", {8, 8});
    run->Add("eval/r/document_words", {4, 4});
  }
  a_.Add("eval/r/document_nll", {24, 28});
  b_.Add("eval/r/document_nll", {26, 32});
  const Comparison compared = Compare();
  ASSERT_EQ(compared.figures.size(), 3U);
  EXPECT_EQ(compared.figures[0].name, "r/nll");
  ExpectNear(compared.figures[0].tested, PairedT(Values{3, 3.5}, Values{3.25, 4}));
  EXPECT_EQ(compared.figures[1].name, "r/perplexity");
  EXPECT_EQ(compared.figures[2].name, "r/word_perplexity");
  EXPECT_DOUBLE_EQ(compared.figures[2].b, std::exp(58.0 / 8));
  EXPECT_DOUBLE_EQ(compared.figures[2].tested.p, compared.figures[0].tested.p);
}

TEST_F(CompareNllTest, LongWindowsWeighMore) {
  a_.Add("eval/w/nll", {10, 90});
  a_.Add("eval/w/tokens", {10, 30});
  b_.Add("eval/w/nll", {20, 100});
  b_.Add("eval/w/tokens", {10, 30});
  const ComparedFigure nll = Compare().figures.at(0);
  EXPECT_DOUBLE_EQ(nll.a, 2.5);
  EXPECT_DOUBLE_EQ(nll.b, 3);
  // D = 0.5; d_i = D + (nll difference - D tokens) / mean(tokens): 0.5 + 5 / 20, 0.5 - 5 / 20
  ExpectNear(nll.tested, PairedT(Values{0, 0}, Values{0.75, 0.25}));
}

}  // namespace
}  // namespace roundlab
