#include "experiments/tables/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/experiments/tables/compare_fixture.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using nlohmann::json;
using testing::CompareTest;
using testing::ErrorOf;
using testing::ExpectNear;
using testing::TempFolder;
using testing::WrittenRun;
using Values = std::vector<double>;

TEST_F(CompareTest, AccuracyGetsMcNemarsTestAndTheBootstrap) {
  const Values a = {1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0};
  const Values b = {1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1};
  a_.Add("eval/mmlu/law/correct", a);
  b_.Add("eval/mmlu/law/correct", b);
  a_.Add("eval/mmlu/law/correct_norm", b);
  b_.Add("eval/mmlu/law/correct_norm", a);
  const Comparison compared = Compare(5);
  ASSERT_EQ(compared.figures.size(), 2U);
  const ComparedFigure& acc = compared.figures[0];
  EXPECT_EQ(acc.name, "mmlu/law/acc");
  EXPECT_EQ(acc.count, 12U);
  EXPECT_EQ(acc.a, 5.0 / 12);
  EXPECT_EQ(acc.b, 10.0 / 12);
  EXPECT_EQ(acc.test, "exact McNemar");
  ExpectNear(acc.tested, ExactMcNemar(a, b));
  ExpectNear(acc.bootstrap, PairedBootstrap(a, b, {9999, 5}));
  EXPECT_EQ(compared.figures[1].name, "mmlu/law/acc_norm");
  EXPECT_EQ(compared.figures[1].tested.difference, -5.0 / 12);
}

TEST_F(CompareTest, DocumentsThatOneRunDidNotScoreAreLeftOut) {
  const double none = std::nan("");
  a_.Add("eval/t/correct", {1, none, 0, none, 1, 0});
  b_.Add("eval/t/correct", {0, none, 1, 1, none, 0});
  a_.Add("eval/t/mc2", {0.25, 0.5, 0.75, 0.5, none, 0.125});
  b_.Add("eval/t/mc2", {0.5, 0.5, 0.875, 0.25, 0.5, 0.25});
  const Comparison compared = Compare();
  ASSERT_EQ(compared.figures.size(), 2U);
  EXPECT_EQ(compared.figures[0].count, 3U);
  EXPECT_EQ(compared.figures[0].left_out, 3U);
  ExpectNear(compared.figures[0].tested, ExactMcNemar(Values{1, 0, 0}, Values{0, 1, 0}));
  const ComparedFigure& mc2 = compared.figures[1];
  EXPECT_EQ(mc2.name, "t/mc2");
  EXPECT_EQ(mc2.test, "paired t");
  EXPECT_FALSE(mc2.lower_is_better);
  EXPECT_EQ(mc2.left_out, 1U);
  const Values a = {0.25, 0.5, 0.75, 0.5, 0.125};
  const Values b = {0.5, 0.5, 0.875, 0.25, 0.25};
  ExpectNear(mc2.tested, PairedT(a, b));
  ExpectNear(mc2.bootstrap, PairedBootstrap(a, b, {}));
  EXPECT_THAT(Printed(false),
              ::testing::HasSubstr("\nDocuments left out, not scored in both runs:\n"
                                   "  t/acc: 3\n  t/mc2: 1\n"));
}

TEST_F(CompareTest, OfDocumentsThatAreNotFiniteThereIsNoVerdict) {
  const double none = std::nan("");
  a_.Add("eval/t/correct", {1, none, 0, none});
  a_.Add("eval/t/not_finite", {0, 0, 0, 1});  // one is refused, one is not finite
  b_.Add("eval/t/correct", {0, 1, 1, 1});
  const ComparedFigure figure = Compare().figures.at(0);
  EXPECT_EQ(figure.count, 3U);
  EXPECT_EQ(figure.left_out, 1U);
  EXPECT_TRUE(std::isnan(figure.a));
  EXPECT_EQ(figure.b, 2.0 / 3);
  EXPECT_TRUE(std::isnan(figure.tested.p));
  EXPECT_TRUE(std::isnan(figure.bootstrap.low));
  EXPECT_EQ(Verdict(figure), "undefined: a value is not finite");
}

TEST_F(CompareTest, APredictionThatWasMadeOfNaNIsNone) {
  const double none = std::nan("");
  for (WrittenRun* run : {&a_, &b_}) run->Add("eval/t/correct", {1, 0, 1});
  a_.Add("eval/t/prediction", {0, 0, none});
  a_.record.Array("eval/t/choice_loglik", {3, 2}, {none, none, -1, none, none, none});
  const ComparedFigure figure = Compare().figures.at(0);
  EXPECT_EQ(figure.count, 3U);
  EXPECT_TRUE(std::isnan(figure.a));
  EXPECT_EQ(Verdict(figure), "undefined: a value is not finite");
}

TEST_F(CompareTest, AMeanOverGroupsIsNotThatOverDocuments) {
  for (WrittenRun* run : {&a_, &b_}) {
    run->Add("eval/t/correct", {1, 0, 1});
    run->summary["metrics"]["t/acc"] = 0.5;
    run->summary["metrics"]["t/acc_document_mean"] = 2.0 / 3;
  }
  const Comparison compared = Compare();
  EXPECT_EQ(compared.figures.at(0).name, "t/acc_document_mean");
  EXPECT_EQ(compared.not_compared.at(0).name, "t/acc");
}

TEST_F(CompareTest, Verdicts) {
  const Values all(8, 1.0);
  const Values none(8, 0.0);
  Values five = none;
  std::fill_n(five.begin(), 5, 1.0);
  EXPECT_EQ(VerdictOf(none, all), "B is better");
  EXPECT_EQ(VerdictOf(all, none), "A is better");
  EXPECT_EQ(VerdictOf(five, five), "equal: no value differs");
  // 5 to 0: the bootstrap's interval is above 0, McNemar's (p = 0.0625) is not.
  EXPECT_GT(PairedBootstrap(none, five, {}).low, 0);
  EXPECT_EQ(VerdictOf(none, five), "noise: the interval contains 0");
  EXPECT_EQ(VerdictOf({1}, {0}), "undefined: fewer than 2 values");
  EXPECT_EQ(VerdictOf({}, {}), "undefined: fewer than 2 values");
}

TEST_F(CompareTest, LessIsBetterForLikelihoodsAndWhatIsNotFiniteIsUndefined) {
  for (WrittenRun* run : {&a_, &b_}) {
    const double shift = run == &a_ ? 0 : 1;
    run->Add("eval/good/nll", {4 - shift, 5.01 - shift, 6.02 - shift});
    run->Add("eval/good/tokens", {1, 1, 1});
    run->Add("eval/broken/nll", {1, run == &a_ ? 2 : std::nan(""), 3});
    run->Add("eval/broken/tokens", {1, 1, 1});
  }
  const auto figures = Compare().figures;
  ASSERT_EQ(figures.size(), 4U);
  EXPECT_EQ(Verdict(figures[0]), "undefined: a value is not finite");
  EXPECT_EQ(Verdict(figures[1]), "undefined: a value is not finite");
  EXPECT_EQ(figures[0].a, 2);
  EXPECT_TRUE(std::isnan(figures[0].b));
  EXPECT_EQ(Verdict(figures[2]), "B is better");
  EXPECT_EQ(Verdict(figures[3]), "B is better");
}

TEST_F(CompareTest, WhatCannotBePairedIsSaid) {
  a_.Add("eval/a/correct", {1, 0});
  b_.Add("eval/b/correct", {1, 0});
  for (WrittenRun* run : {&a_, &b_}) {
    const bool first = run == &a_;
    run->Add("eval/c/correct", Values(first ? 3 : 4, 1.0));
    run->Add("eval/d/nll", {1, 2});
    run->Add("eval/d/tokens", first ? Values{4, 4} : Values{2, 4});
    run->Add("eval/e/nll", Values(first ? 2 : 1, 1.0));
    run->Add("eval/e/tokens", Values(first ? 2 : 1, 1.0));
    for (const char* name : {"f", "g", "h"}) {
      run->Add(std::string("eval/") + name + "/correct", {1, 0});
    }
    if (first) run->Add("eval/h/correct_norm", {1, 0});
    run->Add("eval/i/kl", {0.5});
    run->Add("eval/j/kl", {0.5});
    run->Add("eval/j/nll", {1});
    run->Add("layers/x/correct", {1});
    run->summary["metrics"]["h/perplexity"] = 2;
    auto& provenance = run->summary["provenance"];
    provenance["eval/f/documents_sha256"] = first ? "00112233445566778899" : "ff112233445566778899";
    if (first) provenance["eval/g/tokens_sha256"] = "0011";
    provenance["eval/h/tokens_sha256"] = "0011";
  }
  const Comparison compared = Compare();
  ASSERT_EQ(compared.figures.size(), 1U);
  EXPECT_EQ(compared.figures[0].name, "h/acc");
  std::vector<std::string> told;
  for (const NotCompared& entry : compared.not_compared) {
    told.push_back(entry.name + ": " + entry.reason);
  }
  EXPECT_THAT(
      told,
      ::testing::ElementsAre(
          "a: only in A", "b: only in B", "c/acc: 3 documents in A, 4 in B",
          "d/nll: the windows of A and B score different numbers of tokens",
          "e/nll: 2 windows in A, 1 in B",
          "f: different data: documents_sha256 is 0011223344556677 in A, ff11223344556677 in B",
          "g: different data: tokens_sha256 is 0011 in A, not recorded in B",
          "h/correct_norm: only in A", "h/perplexity: is not paired by document",
          "i: a divergence is not paired", "j: a divergence is not paired"));
}

TEST_F(CompareTest, DivergencesArePairedByWindow) {
  for (WrittenRun* run : {&a_, &b_}) {
    const bool first = run == &a_;
    run->Add("eval/d/kl",
             first ? Values{0.5, 0.25, 1, 2, 0.75, 0.25} : Values{0.5, 0.5, 2, 3, 1, 1});
    run->Add("eval/d/same_top", first ? Values{1, 1, 0, 1, 1, 0} : Values{1, 0, 0, 0, 1, 0});
    run->Add("eval/d/nll", first ? Values{1, 2, 3, 4, 2, 2} : Values{2, 2, 3, 5, 2, 4});
    run->Add("eval/d/base_nll", {1, 1, 1, 1, 1, 1});
    run->Add("eval/d/tokens", {2, 2, 2});
  }
  const Comparison compared = Compare();
  ASSERT_EQ(compared.figures.size(), 3U);
  const auto expect = [&](std::size_t i, const std::string& name, bool lower, const Values& a,
                          const Values& b) {
    const ComparedFigure& figure = compared.figures[i];
    EXPECT_EQ(figure.name, name);
    EXPECT_EQ(figure.count, 3U);
    EXPECT_EQ(figure.lower_is_better, lower);
    EXPECT_EQ(figure.test, "paired t");
    ExpectNear(figure.tested, PairedT(a, b));
    ExpectNear(figure.bootstrap, PairedBootstrap(a, b, {}));
  };
  expect(0, "d/kl_mean", true, {0.375, 1.5, 0.5}, {0.5, 2.5, 1});
  expect(1, "d/same_top", false, {1, 0.5, 0.5}, {0.5, 0, 0.5});
  const ComparedFigure& perplexity = compared.figures[2];
  EXPECT_EQ(perplexity.name, "d/perplexity");
  EXPECT_DOUBLE_EQ(perplexity.a, std::exp(14 / 6.0));
  EXPECT_DOUBLE_EQ(perplexity.b, std::exp(18 / 6.0));
  EXPECT_NEAR(perplexity.tested.p, PairedT(Values{1.5, 3.5, 2}, Values{2, 4, 3}).p, 1e-12);
  EXPECT_THAT(Printed(false), ::testing::HasSubstr("mc2, kl_mean, same_top: paired t test;"));
}

TEST_F(CompareTest, DivergencesOfOtherWindowsAreNot) {
  for (WrittenRun* run : {&a_, &b_}) {
    for (const char* array : {"kl", "same_top", "nll"}) {
      run->Add(std::string("eval/d/") + array, {1, 1, 1});
      run->Add(std::string("eval/e/") + array, {1, 1, 1});
    }
    run->Add("eval/d/tokens", run == &a_ ? Values{1, 2} : Values{2, 1});
  }
  b_.Add("eval/e/tokens", {1, 2});  // a run of an earlier program does not say it
  const Comparison compared = Compare();
  EXPECT_TRUE(compared.figures.empty());
  ASSERT_EQ(compared.not_compared.size(), 2U);
  EXPECT_EQ(compared.not_compared[0].name, "d/kl");
  EXPECT_EQ(compared.not_compared[0].reason,
            "the windows of A and B score different numbers of tokens");
  EXPECT_EQ(compared.not_compared[1].reason, "a divergence is not paired");
  for (WrittenRun* run : {&a_, &b_}) {
    run->Add("eval/f/kl", {1, 1, 1});
    run->Add("eval/f/tokens", {1, 1});
  }
  EXPECT_EQ(Error(), folder_a_ + "/run.h5: eval/f has 3 kl but 2 tokens");
}

TEST_F(CompareTest, ATasksPerplexityIsPairedByDocument) {
  const double none = std::nan("");
  a_.Add("eval/lambada/choice_loglik", {-1, -2, none, -4, -3});
  b_.Add("eval/lambada/choice_loglik", {-2, -2, none, -5, -3});
  for (WrittenRun* run : {&a_, &b_}) {
    run->Add("eval/lambada/prediction", {0, 0, none, 0, 0});
    run->summary["metrics"]["lambada/perplexity"] = 2;
  }
  const Comparison compared = Compare();
  EXPECT_TRUE(compared.not_compared.empty());
  ASSERT_EQ(compared.figures.size(), 1U);
  const ComparedFigure& figure = compared.figures[0];
  EXPECT_EQ(figure.name, "lambada/perplexity");
  EXPECT_TRUE(figure.lower_is_better);
  EXPECT_EQ(figure.count, 4U);
  EXPECT_EQ(figure.left_out, 1U);
  EXPECT_DOUBLE_EQ(figure.a, std::exp(2.5));
  EXPECT_DOUBLE_EQ(figure.b, std::exp(3.0));
  const PairedResult cost = PairedT(Values{1, 2, 4, 3}, Values{2, 2, 5, 3});
  EXPECT_NEAR(figure.tested.p, cost.p, 1e-12);
  EXPECT_NEAR(figure.tested.low, std::exp(2.5) * std::expm1(cost.low), 1e-10);
}

TEST_F(CompareTest, TheTextHasARowAFigureAndWhatDiffersInTheConfigs) {
  a_.Add("eval/piqa/correct", {0, 0, 0, 0, 0, 0, 0, 0});
  b_.Add("eval/piqa/correct", {1, 1, 1, 1, 1, 1, 1, 0});
  b_.Add("eval/boolq/correct", {1});
  a_.summary["config"] = "quant:\n  bits: 4\n  skip: []\neval:\n  -\n    name: x\nseed: 0\n";
  b_.summary["config"] =
      "quant:\n  bits: 3\n  skip: []\n  range: {}\neval:\n  -\n    name: x\nseed: 0\n";
  b_.summary["id"] = "4567";
  EXPECT_EQ(Printed(false), "A: run 0123 in " + folder_a_ + "\nB: run 4567 in " + folder_b_ + R"(

| figure   | n   | A     | B     | B - A | 95 % interval  | p      | bootstrap 95 % | bootstrap p | verdict     |
|----------|----:|------:|------:|------:|---------------:|-------:|---------------:|------------:|------------:|
| piqa/acc | 8   | 0.000 | 0.875 | 0.875 | 0.132 to 0.997 | 0.0156 | 0.625 to 1.000 | 0.0002      | B is better |

nll, perplexity, mc2: paired t test; acc, acc_norm: McNemar's exact test; 9999 bootstrap resamples, seed 5.
Intervals are for other texts of the kind, not for other seeds of a method.

Not compared:
  boolq: only in B

Only in the config of A:
  quant.bits: 4

Only in the config of B:
  quant.bits: 3
  quant.range: a mapping
)");
}

TEST_F(CompareTest, TheJsonHasTheSame) {
  const Values a = {0, 0, 0, 0, 0, 1};
  const Values b = {1, 1, 0, 1, 0, 1};
  a_.Add("eval/piqa/correct", a);
  b_.Add("eval/piqa/correct", b);
  a_.Add("eval/w/correct", {1});
  b_.Add("eval/w/correct", {0});
  b_.Add("eval/boolq/correct", {1});
  a_.summary["config"] = "seed: 1\nthreads: 2\n";
  b_.summary["config"] = "seed: 0\nthreads: 2\n";
  const json printed = json::parse(Printed(true));
  const PairedResult tested = ExactMcNemar(a, b);
  const PairedResult bootstrap = PairedBootstrap(a, b, {9999, 5});
  EXPECT_EQ(
      printed.at("figures").at(0),
      json({{"name", "piqa/acc"},
            {"n", 6},
            {"left_out", 0},
            {"a", 1.0 / 6},
            {"b", 4.0 / 6},
            {"difference", 0.5},
            {"test", "exact McNemar"},
            {"low", tested.low},
            {"high", tested.high},
            {"p", 0.25},
            {"bootstrap", {{"low", bootstrap.low}, {"high", bootstrap.high}, {"p", bootstrap.p}}},
            {"verdict", "noise: the interval contains 0"}}));
  EXPECT_EQ(printed.at("figures").at(1).at("bootstrap"),
            json({{"low", nullptr}, {"high", nullptr}, {"p", nullptr}}));
  EXPECT_EQ(printed.at("a"), json({{"id", "0123"}, {"folder", folder_a_}}));
  EXPECT_EQ(printed.at("b"), json({{"id", "0123"}, {"folder", folder_b_}}));
  EXPECT_EQ(printed.at("seed"), 5);
  EXPECT_EQ(printed.at("resamples"), 9999);
  EXPECT_EQ(printed.at("not_compared"),
            json::array({{{"name", "boolq"}, {"reason", "only in B"}}}));
  EXPECT_EQ(printed.at("config"), json({{"only_a", {"seed: 1"}}, {"only_b", {"seed: 0"}}}));
}

TEST_F(CompareTest, RunsWithoutEvaluationsHaveNothingToCompare) {
  EXPECT_EQ(Printed(false), "A: run 0123 in " + folder_a_ + "\nB: run 0123 in " + folder_b_ +
                                "\n\nNothing can be compared.\n\nThe configs are equal.\n");
}

TEST_F(CompareTest, AFolderWithoutACompleteRunIsRefused) {
  fs::create_directory(folder_b_);
  const auto error = [&] { return ErrorOf([&] { CompareRuns(folder_b_, folder_a_, {}); }); };
  EXPECT_EQ(error(),
            folder_b_ + ": has no run.json: not a run's folder, or the run is not complete");
  b_.summary["status"] = "failed";
  b_.Write(folder_b_);
  EXPECT_EQ(error(), folder_b_ +
                         "/run.json: the status of this run is 'failed', only a 'complete' one can "
                         "be compared");
  b_.summary["status"] = "complete";
  b_.Write(folder_b_);
  EXPECT_EQ(error(), folder_a_ + ": no such folder");
}

TEST_F(CompareTest, ABrokenRunFileIsRefused) {
  a_.Write(folder_a_);
  b_.Add("eval/t/correct", {1, 0});
  b_.Write(folder_b_);
  const std::string file = folder_b_ + "/run.h5";
  const std::string whole = testing::ReadAll(file);
  for (const std::string& bytes : {whole.substr(0, whole.size() / 2), std::string()}) {
    folder_.Write("b/run.h5", bytes);
    EXPECT_THAT(ErrorOf([&] { CompareRuns(folder_a_, folder_b_, {}); }),
                ::testing::StartsWith("hdf5: open " + file + ": "));  // then HDF5's own words
  }
}

TEST_F(CompareTest, ArraysThatCannotBeAreRefused) {
  a_.Add("eval/t/correct", {1, 0.5});
  b_.Add("eval/t/correct", {1, 0});
  EXPECT_EQ(Error(), folder_a_ + "/run.h5: eval/t/correct[1] is 0.500000, not 0 or 1");
  a_.record = b_.record = {};
  for (WrittenRun* run : {&a_, &b_}) run->Add("eval/t/nll", {1, 2});
  EXPECT_EQ(Error(), folder_a_ + "/run.h5: eval/t has nll but no tokens");
  a_.Add("eval/t/tokens", {1});
  b_.Add("eval/t/tokens", {1, 2});
  EXPECT_EQ(Error(), folder_a_ + "/run.h5: eval/t has 2 nll but 1 tokens");
}

}  // namespace
}  // namespace roundlab
