#include "eval/task_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/metrics/run_record.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

TaskDocument GoldDocument(std::int64_t gold, const std::string& group = "") {
  TaskDocument document;
  document.contexts = {"q"};
  document.choices = {"a", "\u00e9\u00e9\u00e9\u00e9"};  // 1 and 4 code points
  document.gold = gold;
  document.truths = {false, true};
  document.group = group;
  return document;
}

struct Measured {
  std::map<std::string, double> metrics;
  RunRecord record;
};

Measured Measure(const std::vector<std::string>& metrics,
                 const std::vector<TaskDocument>& documents,
                 const std::vector<DocumentScores>& scores, TaskMetricsOptions options = {}) {
  TaskOptions task;
  for (const std::string& name : metrics) {
    task.metrics.push_back(EnumValue(name, TaskMetricNames()).value());
  }
  if (!documents.front().group.empty()) task.group = "{subject}";
  Measured measured;
  measured.metrics = TaskMetrics(task, documents, scores, options, "eval/t", &measured.record);
  return measured;
}

TEST(TaskMetricsTest, AccuracyTakesTheFirstOfEqualChoices) {
  const auto m = Measure({"acc"}, {GoldDocument(0), GoldDocument(1), GoldDocument(1)},
                         {{{-1, -1}, false}, {{-1, -1}, false}, {{-2, -1}, false}});
  EXPECT_DOUBLE_EQ(m.metrics.at("acc"), 2.0 / 3);
  // Sample deviation of 1, 0, 1 is sqrt(1/3).
  EXPECT_DOUBLE_EQ(m.metrics.at("acc_stderr"), 1.0 / 3);
  EXPECT_EQ(m.record.arrays().at("eval/t/correct").values, (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(m.record.arrays().at("eval/t/prediction").values, (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(m.record.arrays().at("eval/t/gold").values, (std::vector<double>{0, 1, 1}));
}

TEST(TaskMetricsTest, ADocumentWithALikelihoodThatIsNotFiniteHasNoPrediction) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double nan = std::nan("");
  for (const double bad : {nan, kInfinity, -kInfinity}) {
    const auto m = Measure({"acc", "acc_norm", "mc2"}, {GoldDocument(0), GoldDocument(1)},
                           {{{-1, bad}, true}, {{-2, -1}, true}});
    for (const char* metric : {"acc", "acc_stderr", "acc_norm", "mc2"}) {
      EXPECT_TRUE(std::isnan(m.metrics.at(metric))) << metric;
    }
    const auto& arrays = m.record.arrays();
    EXPECT_TRUE(std::isnan(arrays.at("eval/t/prediction").values[0]));
    EXPECT_EQ(arrays.at("eval/t/prediction").values[1], 1);
    EXPECT_EQ(arrays.at("eval/t/not_finite").values, (std::vector<double>{1, 0}));
  }
  const auto lone = Measure({"perplexity"}, {GoldDocument(0)}, {{{-kInfinity}, false}});
  EXPECT_EQ(lone.metrics.at("perplexity"), kInfinity);
  const auto fine = Measure({"acc"}, {GoldDocument(0)}, {{{-1, -2}, false}});
  EXPECT_EQ(fine.record.arrays().count("eval/t/not_finite"), 0U);
}

TEST(TaskMetricsTest, NormalizedAccuracyDividesByCodePoints) {
  // -2 / 1 against -6 / 4.
  const auto m = Measure({"acc", "acc_norm"}, {GoldDocument(1)}, {{{-2, -6}, false}});
  EXPECT_EQ(m.metrics.at("acc"), 0);
  EXPECT_EQ(m.metrics.at("acc_norm"), 1);
}

TEST(TaskMetricsTest, TrueShareAndPerplexityByHand) {
  const auto m = Measure({"mc2", "perplexity", "greedy"}, {GoldDocument(0), GoldDocument(0)},
                         {{{-1000, -1000 + std::log(3.0)}, true}, {{-2, -2}, false}});
  EXPECT_NEAR(m.metrics.at("mc2"), (0.75 + 0.5) / 2, 1e-12);
  EXPECT_EQ(m.metrics.at("acc"), 0.5);
  EXPECT_NEAR(m.metrics.at("perplexity"), std::exp(501), 1e-9 * std::exp(501));
}

TEST(TaskMetricsTest, GroupsAreAveragedByVersion) {
  const std::vector<TaskDocument> documents = {GoldDocument(0, "x"), GoldDocument(0, "x"),
                                               GoldDocument(0, "x"), GoldDocument(0, "y")};
  const std::vector<DocumentScores> scores = {
      {{0, -1}, false}, {{0, -1}, false}, {{-1, 0}, false}, {{-1, 0}, false}};
  const auto old = Measure({"acc"}, documents, scores, {Harness::kLmEval03, false}).metrics;
  EXPECT_DOUBLE_EQ(old.at("acc"), (2.0 / 3 + 0) / 2);
  EXPECT_DOUBLE_EQ(old.at("acc_document_mean"), 0.5);
  EXPECT_TRUE(std::isnan(old.at("acc_stderr")));  // one document of y: no spread to be known
  const auto today = Measure({"acc"}, documents, scores, {Harness::kLmEval04, false}).metrics;
  EXPECT_DOUBLE_EQ(today.at("acc"), 0.5);
  EXPECT_DOUBLE_EQ(today.at("acc_group_mean"), 1.0 / 3);
}

TEST(TaskMetricsTest, PooledErrorIsThatOfTheHarness) {
  std::vector<TaskDocument> documents;
  std::vector<DocumentScores> scores;
  const std::string groups = "xxxyyyyy";
  const std::string right = "11001010";
  for (std::size_t i = 0; i < groups.size(); ++i) {
    documents.push_back(GoldDocument(0, {groups[i]}));
    scores.push_back({{right[i] == '1' ? 0.0 : -2.0, -1}, false});
  }
  const auto m = Measure({"acc"}, documents, scores, {Harness::kLmEval04, false}).metrics;
  // x: 2/3 of 3 with variance 1/3, y: 2/5 of 5 with variance 3/10, weighed by 2 and 4.
  EXPECT_DOUBLE_EQ(m.at("acc_pooled_stderr"), std::sqrt((2.0 / 3 + 4 * 0.3) / 6 / 8));
  EXPECT_DOUBLE_EQ(m.at("acc_stderr"), std::sqrt(0.25 * 8 / 7 / 8));
}

TEST(TaskMetricsTest, RefusedDocumentsAreLeftOutOrWrong) {
  const std::vector<TaskDocument> documents = {GoldDocument(0), GoldDocument(0)};
  const std::vector<DocumentScores> scores = {{{0, -1}, false}, {}};
  const auto out = Measure({"acc"}, documents, scores);
  EXPECT_EQ(out.metrics.at("acc"), 1);
  EXPECT_TRUE(std::isnan(out.record.arrays().at("eval/t/correct").values[1]));
  const auto wrong = Measure({"acc"}, documents, scores, {Harness::kLmEval03, true});
  EXPECT_EQ(wrong.metrics.at("acc"), 0.5);
  EXPECT_TRUE(std::isnan(wrong.record.arrays().at("eval/t/choice_loglik").values[2]));
  EXPECT_EQ(testing::ErrorOf([&] { Measure({"acc"}, {documents[0]}, {{}}); }),
            "every document is refused");
}

}  // namespace
}  // namespace roundlab
