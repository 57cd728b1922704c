#include <ATen/core/Tensor.h>
#include <c10/util/hash.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/metrics/run_record.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "eval/harness.h"
#include "eval/likelihood.h"
#include "eval/task_metrics.h"
#include "tests/eval/continuation_scores.h"
#include "tests/eval/golden_table.h"
#include "tests/support/csv_rows.h"
#include "tests/support/shared_data.h"

namespace roundlab {
namespace {

using Json = nlohmann::json;

std::vector<Json> GoldenRows(const std::string& file) {
  std::vector<Json> rows;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

/// Of MMLU the table has rows of a subject, of other tasks rows of the file.
std::vector<TaskDocument> Chosen(const std::string& name, const TaskOptions& task,
                                 const std::vector<Json>& golden) {
  Rows rows = LoadRows(task.data);
  std::map<std::string, std::vector<std::size_t>> subjects;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    if (name == "mmlu") subjects[rows.rows[i].value["subject"]].push_back(i);
  }
  Rows chosen{rows.file, {}};
  for (const Json& row : golden) {
    const auto number = row["row"].get<std::size_t>();
    const std::size_t i = name == "mmlu" ? subjects.at(row["subject"]).at(number) : number;
    chosen.rows.push_back(rows.rows.at(i));
  }
  return MakeDocuments(task, chosen);
}

/// Documents of a task as one harness encodes and a model scores them.
struct GoldenScores {
  GoldenScores(const TaskOptions& task, const std::vector<TaskDocument>& documents, Harness harness,
               const LanguageModel& model, const Tokenizer& tokenizer)
      : preambles(Preambles(task, harness, {}, documents, {})) {
    std::vector<std::vector<Continuation>> groups;
    for (std::size_t i = 0; i < documents.size(); ++i) {
      auto& group = groups.emplace_back();
      bool refuses = false;
      auto& cuts = cut.emplace_back();
      for (std::size_t c = 0; c < documents[i].Count(); ++c) {
        EncodedPair pair = EncodePair(tokenizer, harness, model.description().max_positions,
                                      preambles[i] + documents[i].Context(c),
                                      task.delimiter + documents[i].Choice(c));
        refuses = refuses || !pair.refused.empty();
        cuts.push_back(pair.truncated);
        group.push_back(std::move(pair.continuation));
      }
      if (refuses) group.clear();
    }
    continuations = groups;
    const auto all = testing::ScoresOf(model, groups, {2048, {}});
    for (const auto& group : all) {
      DocumentScores one;
      for (const ContinuationScore& score : group) one.loglik.push_back(score.loglik);
      one.greedy = !group.empty() && group.front().greedy;
      scores.push_back(std::move(one));
      greedy.emplace_back();
      for (const ContinuationScore& score : group) greedy.back().push_back(score.greedy);
    }
  }
  std::vector<std::string> preambles;
  std::vector<std::vector<Continuation>> continuations;
  std::vector<std::vector<bool>> cut;
  std::vector<DocumentScores> scores;
  std::vector<std::vector<bool>> greedy;
};

/// golden/README.md, Tolerance.
void ExpectLogliks(const std::vector<double>& actual, const Json& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double e = expected[i].get<double>();
    EXPECT_NEAR(actual[i], e, 1e-3 + 1e-5 * std::fabs(e)) << "choice " << i;
  }
}

std::vector<testing::CsvRow> SummaryRows() {
  return testing::CsvRows(testing::SharedFolder() + "/golden/tasks/summary.csv");
}

/// Models of golden/tasks/summary.csv, or "" alone.
std::vector<std::string> TaskModels() {
  std::set<std::string> models;
  for (const testing::CsvRow& row : SummaryRows()) models.insert(row.at("model"));
  if (models.empty()) return {""};
  return {models.begin(), models.end()};
}

std::set<std::string> TasksOf(const std::string& model) {
  std::set<std::string> tasks;
  for (const testing::CsvRow& row : SummaryRows()) {
    if (row.at("model") == model) tasks.insert(row.at("task"));
  }
  return tasks;
}

TEST(GoldenPromptsTest, ContextsAndContinuationsAreTheReferences) {
  ROUNDLAB_SHARED_OR_SKIP(prompts, "golden/tasks/prompts.jsonl");
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  std::map<std::string, std::vector<Json>> tasks;
  for (Json& row : GoldenRows(prompts)) tasks[row["task"].get<std::string>()].push_back(row);
  ASSERT_FALSE(tasks.empty());
  for (const auto& [name, rows] : tasks) {
    const TaskOptions task = LoadTask(name);
    const auto documents = Chosen(name, task, rows);
    for (const Harness harness : {Harness::kLmEval03, Harness::kLmEval04}) {
      const auto preambles = Preambles(task, harness, {}, documents, {});
      for (std::size_t i = 0; i < rows.size(); ++i) {
        Json pairs = Json::array();
        for (std::size_t c = 0; c < documents[i].Count(); ++c) {
          pairs.push_back(
              {preambles[i] + documents[i].Context(c), task.delimiter + documents[i].Choice(c)});
        }
        EXPECT_EQ(pairs, rows[i]["pairs"]) << name << " row " << rows[i]["row"];
      }
    }
  }
}

class ZeroShotGoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  void Walk(const LanguageModel& model, const Tokenizer& tokenizer, const std::string& name) {
    const std::string file = golden_ + "/" + GetParam() + "." + name + ".jsonl";
    const std::vector<Json> rows = GoldenRows(file);
    ASSERT_FALSE(rows.empty()) << file;
    const TaskOptions task = LoadTask(name);
    const auto documents = Chosen(name, task, rows);
    const GoldenScores old(task, documents, Harness::kLmEval03, model, tokenizer);
    const GoldenScores today(task, documents, Harness::kLmEval04, model, tokenizer);
    const RunRecord record = CompareSummary(name, task, documents, old.scores, Harness::kLmEval03);
    CompareSummary(name, task, documents, today.scores, Harness::kLmEval04);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      SCOPED_TRACE(name + " row " + rows[i]["row"].dump());
      Compare(rows[i], documents[i], old, i);
      if (!rows[i].contains("skipped")) ComparePrediction(rows[i], documents[i], record, i);
      if (rows[i].contains("v0413") && rows[i]["v0413"].contains("lls")) {
        ExpectLogliks(today.scores[i].loglik, rows[i]["v0413"]["lls"]);
      }
    }
    if (rows.front().contains("mc2_lls")) WalkMc2(model, tokenizer, name, rows);
  }

  /// mc2_lls, mc2_labels and mc2 of the rows of a task: those of another, of the same documents.
  void WalkMc2(const LanguageModel& model, const Tokenizer& tokenizer, std::string name,
               const std::vector<Json>& rows) const {
    const testing::CsvRow summary = SummaryRow(name, "008fc2a");
    name.replace(name.rfind("mc1"), 3, "mc2");
    const TaskOptions task = LoadTask(name);
    const auto documents = Chosen(name, task, rows);
    const GoldenScores scored(task, documents, Harness::kLmEval03, model, tokenizer);
    RunRecord record;
    const auto metrics =
        TaskMetrics(task, documents, scored.scores, {Harness::kLmEval03, false}, "eval/t", &record);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      SCOPED_TRACE(name + " row " + rows[i]["row"].dump());
      ExpectLogliks(scored.scores[i].loglik, rows[i]["mc2_lls"]);
      const auto labels = rows[i]["mc2_labels"].get<std::vector<int>>();
      EXPECT_EQ(documents[i].truths, std::vector<bool>(labels.begin(), labels.end()));
      // A share is off by the part that the likelihoods are off by.
      const double share = rows[i]["mc2"].get<double>();
      EXPECT_NEAR(record.arrays().at("eval/t/mc2").values[i], share, 1e-3 * share);
    }
    testing::ExpectCell(metrics.at("mc2"), summary, "mc2");
  }

  static void Compare(const Json& row, const TaskDocument& document, const GoldenScores& scored,
                      std::size_t i) {
    if (row.contains("skipped")) {
      EXPECT_TRUE(scored.scores[i].Refused());
      return;
    }
    ExpectLogliks(scored.scores[i].loglik, row["lls"]);
    EXPECT_EQ(document.gold, row["gold"].get<std::int64_t>());
    const std::string context = scored.preambles[i] + document.Context(0);
    EXPECT_EQ(c10::sha1(context).str().substr(0, 16), row["ctx_sha1"].get<std::string>());
    const std::vector<bool> none(document.Count(), false);
    EXPECT_EQ(scored.cut[i], row.value("truncated", none));
    for (std::size_t c = 0; c < row["cont_tokens"].size(); ++c) {
      EXPECT_EQ(scored.continuations[i][c].scored, row["cont_tokens"][c].get<std::int64_t>());
      EXPECT_EQ(scored.greedy[i][c], row["is_greedy"][c].get<bool>());
      if (!scored.cut[i][c]) {
        const auto ids = static_cast<std::int64_t>(scored.continuations[i][c].ids.size());
        EXPECT_EQ(ids - scored.continuations[i][c].scored,
                  row["ctx_tokens"][c].get<std::int64_t>());
      }
      if (!document.group.empty() || document.contexts.size() > 1) continue;
      EXPECT_EQ(CodePoints(document.Choice(c)), row["len_chars"][c].get<std::int64_t>());
      EXPECT_EQ(document.Choice(c).size(), row["len_bytes"][c].get<std::size_t>());
    }
  }

  /// pred, acc and acc_norm of a row, and pred_norm: by what we record of each document.
  static void ComparePrediction(const Json& row, const TaskDocument& document,
                                const RunRecord& record, std::size_t i) {
    const auto compare = [&](const char* ours, const char* theirs) {
      const auto found = record.arrays().find(std::string("eval/t/") + ours);
      if (found == record.arrays().end() || !row.contains(theirs)) return;
      EXPECT_EQ(found->second.values.at(i), row[theirs].get<double>()) << theirs;
    };
    compare("prediction", "pred");
    compare("correct", "acc");
    compare("correct_norm", "acc_norm");
    if (!row.contains("pred_norm")) return;
    const auto& loglik = record.arrays().at("eval/t/choice_loglik");
    const auto width = static_cast<std::size_t>(loglik.shape.at(1));
    std::size_t best = 0;
    const auto mean = [&](std::size_t c) {
      return loglik.values.at(i * width + c) / static_cast<double>(CodePoints(document.Choice(c)));
    };
    for (std::size_t c = 1; c < document.Count(); ++c) best = mean(c) > mean(best) ? c : best;
    EXPECT_EQ(best, row["pred_norm"].get<std::size_t>());
  }

  /// acc, acc_norm and ppl of golden/tasks/summary.csv, printed with 7 digits.
  RunRecord CompareSummary(const std::string& name, const TaskOptions& task,
                           const std::vector<TaskDocument>& documents,
                           const std::vector<DocumentScores>& scores, Harness harness) {
    RunRecord record;
    const auto metrics = TaskMetrics(task, documents, scores, {harness, false}, "eval/t", &record);
    const std::string version = harness == Harness::kLmEval03 ? "008fc2a" : "0.4.13";
    const auto expected = SummaryRow(name, version);
    const auto compare = [&](const std::string& ours, const std::string& theirs) {
      if (metrics.count(ours) == 0 || expected.at(theirs).empty()) return;
      const double e = std::stod(expected.at(theirs));
      EXPECT_NEAR(metrics.at(ours), e, 1e-5 * std::fabs(e) + 1e-7) << name << " " << ours;
    };
    compare(task.group.empty() ? "acc" : "acc_document_mean", "acc");
    compare("acc_group_mean", "acc_subject_mean");
    if (task.group.empty()) compare("acc_stderr", "acc_stderr");
    compare("acc_norm", "acc_norm");
    compare("acc_norm_stderr", "acc_norm_stderr");
    if (!expected.at("ppl").empty()) {
      const double e = std::stod(expected.at("ppl"));
      EXPECT_NEAR(metrics.at("perplexity"), e, 2e-5 * e);
    }
    return record;
  }

  testing::CsvRow SummaryRow(const std::string& name, const std::string& version) const {
    for (const testing::CsvRow& row : SummaryRows()) {
      if (row.at("model") == GetParam() && row.at("task") == name && row.at("harness") == version) {
        return row;
      }
    }
    throw std::runtime_error("no summary of " + name);
  }

  std::string golden_;
};

TEST_P(ZeroShotGoldenTest, EveryLogLikelihoodAndPrediction) {
  ROUNDLAB_SHARED_OR_SKIP(golden, "golden/tasks/summary.csv");
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  golden_ = std::filesystem::path(golden).parent_path();
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  const std::string path = testing::GoldenModelPath(GetParam());
  if (path.empty()) {
    GTEST_SKIP() << "needs the model " << GetParam() << " under ROUNDLAB_SHARED or ROUNDLAB_MODELS";
  }
  const auto tokenizer = LoadTokenizer(path);
  const LanguageModel model(ModelFiles(path), at::kFloat);
  for (const std::string& task : TasksOf(GetParam())) Walk(model, *tokenizer, task);
}

INSTANTIATE_TEST_SUITE_P(Models, ZeroShotGoldenTest, ::testing::ValuesIn(TaskModels()),
                         testing::GoldenModelName);

}  // namespace
}  // namespace roundlab
