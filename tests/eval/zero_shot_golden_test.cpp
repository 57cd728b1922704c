#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/folders.h"
#include "core/metrics/run_record.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "eval/harness.h"
#include "eval/likelihood.h"
#include "eval/task_metrics.h"
#include "tests/eval/continuation_scores.h"
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
      bool cut = false;
      for (std::size_t c = 0; c < documents[i].Count(); ++c) {
        EncodedPair pair = EncodePair(tokenizer, harness, model.description().max_positions,
                                      preambles[i] + documents[i].Context(c),
                                      task.delimiter + documents[i].Choice(c));
        refuses = refuses || !pair.refused.empty();
        cut = cut || pair.truncated;
        group.push_back(std::move(pair.continuation));
      }
      if (refuses) group.clear();
      truncated.push_back(cut);
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
  std::vector<bool> truncated;
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

const std::vector<std::string>& Tasks() {
  static const std::vector<std::string> kTasks = {
      "hellaswag",     "winogrande", "piqa", "boolq",          "openbookqa",    "arc_easy",
      "arc_challenge", "rte",        "mmlu", "truthfulqa_mc1", "lambada_openai"};
  return kTasks;
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
    for (std::size_t i = 0; i < rows.size(); ++i) {
      SCOPED_TRACE(name + " row " + rows[i]["row"].dump());
      Compare(rows[i], documents[i], old, i);
      if (rows[i].contains("v0413") && rows[i]["v0413"].contains("lls")) {
        ExpectLogliks(today.scores[i].loglik, rows[i]["v0413"]["lls"]);
      }
    }
    CompareSummary(name, task, documents, old.scores, Harness::kLmEval03);
    CompareSummary(name, task, documents, today.scores, Harness::kLmEval04);
  }

  static void Compare(const Json& row, const TaskDocument& document, const GoldenScores& scored,
                      std::size_t i) {
    if (row.contains("skipped")) {
      EXPECT_TRUE(scored.scores[i].Refused());
      return;
    }
    ExpectLogliks(scored.scores[i].loglik, row["lls"]);
    EXPECT_EQ(document.gold, row["gold"].get<std::int64_t>());
    bool cut = false;
    for (const Json& one : row.value("truncated", Json::array())) cut = cut || one.get<bool>();
    EXPECT_EQ(scored.truncated[i], cut);
    for (std::size_t c = 0; c < row["cont_tokens"].size(); ++c) {
      EXPECT_EQ(scored.continuations[i][c].scored, row["cont_tokens"][c].get<std::int64_t>());
      EXPECT_EQ(scored.greedy[i][c], row["is_greedy"][c].get<bool>());
      if (!document.group.empty() || document.contexts.size() > 1) continue;
      EXPECT_EQ(CodePoints(document.Choice(c)), row["len_chars"][c].get<std::int64_t>());
    }
  }

  /// acc, acc_norm and ppl of golden/tasks/summary.csv, printed with 7 digits.
  void CompareSummary(const std::string& name, const TaskOptions& task,
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
  }

  std::map<std::string, std::string> SummaryRow(const std::string& name,
                                                const std::string& version) const {
    std::ifstream in(golden_ + "/summary.csv");
    const auto cells = [](const std::string& line) {
      std::vector<std::string> out;
      std::istringstream row(line + ",");
      for (std::string cell; std::getline(row, cell, ',');) out.push_back(cell);
      return out;
    };
    std::string line;
    std::getline(in, line);
    const auto names = cells(line);
    while (std::getline(in, line)) {
      const auto values = cells(line);
      if (values[0] != GetParam() || values[1] != name || values[2] != version) continue;
      std::map<std::string, std::string> row;
      for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = values[i];
      return row;
    }
    throw std::runtime_error("no summary of " + name);
  }

  std::string golden_;
};

TEST_P(ZeroShotGoldenTest, EveryLogLikelihoodAndPrediction) {
  ROUNDLAB_SHARED_OR_SKIP(golden, "golden/tasks/summary.csv");
  ROUNDLAB_SHARED_OR_SKIP(data, "data");
  ROUNDLAB_SHARED_OR_SKIP(models, "models");
  golden_ = std::filesystem::path(golden).parent_path();
  ::setenv("ROUNDLAB_DATA", data.c_str(), 1);
  std::string path = models + "/" + GetParam();
  if (GetParam() == "smollm2-135m-q4_1") {
    const std::string folder = ModelFolder();
    path = folder + "/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!std::filesystem::exists(path)) {
      GTEST_SKIP() << "needs SmolLM2 under ROUNDLAB_MODELS (scripts/get_smollm2)";
    }
  }
  const auto tokenizer = LoadTokenizer(path);
  const LanguageModel model(ModelFiles(path), at::kFloat);
  for (const std::string& task : Tasks()) Walk(model, *tokenizer, task);
}

INSTANTIATE_TEST_SUITE_P(Models, ZeroShotGoldenTest,
                         ::testing::Values("TinyStories-656K", "babyllama-tok105", "stories260K",
                                           "smollm2-135m-q4_1"));

}  // namespace
}  // namespace roundlab
