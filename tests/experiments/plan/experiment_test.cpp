#include "experiments/plan/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "core/base/files.h"
#include "core/base/statistics.h"
#include "experiments/cli/options_doc.h"
#include "experiments/tables/cell.h"
#include "experiments/tables/table.h"
#include "experiments/train/train_config.h"
#include "tests/core/formats/format_files.h"
#include "tests/support/source_folder.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::ErrorOf;
using testing::TempFolder;

const std::string kRoot = testing::SourceFolder();

/// All experiments of configs/.
std::vector<std::string> Configs() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot + "/configs")) {
    const fs::path& path = entry.path();
    if (path.extension() != ".yaml" || path.filename() == "catalogue.yaml") continue;
    const std::string folder = path.parent_path().filename().string();
    // No experiments by themselves.
    if (folder == "tasks" || folder == "parts" || folder == "hardware" || folder == "train")
      continue;
    if (path.filename().string().rfind("train", 0) == 0) continue;
    files.push_back(path.string());
  }
  return files;
}

TEST(ConfigFilesTest, TrainingFilesAreRead) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(kRoot + "/configs/lab")) {
    if (entry.path().filename().string().rfind("train", 0) != 0) continue;
    EXPECT_EQ(ErrorOf([&] { LoadTrainConfig(entry.path().string(), {}); }), "") << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0);
}

RunConfig Reread(const std::string& text) {
  std::vector<Diagnostic> diagnostics;
  RunConfig config = ReadRunConfig(ParseYaml(text, "canonical"), {}, &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return config;
}

TEST(ConfigFilesTest, AllAreReadAndTheirCanonicalTextReadsBackToItself) {
  const auto files = Configs();
  ASSERT_GE(files.size(), 2U);
  for (const std::string& file : files) {
    const Experiment experiment = LoadExperiment(file, {});
    EXPECT_FALSE(experiment.runs.empty()) << file;
    for (const PlannedRun& run : experiment.runs) {
      const std::string text = run.config.Canonical();
      const RunConfig again = Reread(text);
      EXPECT_EQ(again.Canonical(), text) << file;
      EXPECT_EQ(again.Id(), run.id) << file;
    }
  }
}

TEST(OptionsTest, DocsAreWhatDescribeAllPrints) {
  EXPECT_EQ(ReadFile(kRoot + "/docs/options.md"), OptionsMarkdown())
      << "write it anew: roundlab describe all > docs/options.md";
}

TEST(OptionsTest, EveryPartIsListedAndDescribed) {
  const std::string all = ListParts("");
  for (const char* kind : {"scheme", "range", "optimizer", "schedule", "eval"}) {
    const std::string own = ListParts(kind);
    EXPECT_EQ(own.find(std::string(kind) + "\n  "), 0U);
    EXPECT_NE(all.find(own), std::string::npos) << kind;
  }
  EXPECT_NE(ListParts("scheme").find("\n  signround: "), std::string::npos);
  EXPECT_EQ(DescribePart("eval", "perplexity").find("perplexity: exp of the mean"), 0U);
  EXPECT_NE(DescribePart("eval", "perplexity").find("\nwindows  integer in [0, inf), default 0  "),
            std::string::npos);
}

constexpr const char* kRtn = R"(
model: m/
quant: {bits: 4}
pipeline: [{type: round, scheme: {type: rtn}}]
)";

Experiment Load(const std::string& yaml, const std::vector<std::string>& set = {}) {
  const TempFolder folder;
  return LoadExperiment(folder.Write("e.yaml", yaml), set);
}

TEST(PlanTest, IsTheProductOfAxesAndSeedsInOrder) {
  const Experiment experiment =
      Load(std::string(kRtn) +
           "axes:\n  - {key: quant.bits, values: [4, 3]}\n"
           "  - {name: size, values: {g32: {quant.group_size: 32}, row: {quant.group_size: -1}}}\n"
           "seeds: [5, 6]\nname: mine\n");
  EXPECT_EQ(experiment.name, "mine");
  ASSERT_EQ(experiment.runs.size(), 8U);
  EXPECT_EQ(experiment.runs[0].labels.at("quant.bits"), "4");
  EXPECT_EQ(experiment.runs[0].labels.at("size"), "g32");
  EXPECT_EQ(experiment.runs[1].seed, 6);
  EXPECT_EQ(experiment.runs[2].config.quant->spec.group_size, -1);
  EXPECT_EQ(experiment.runs[7].config.quant->spec.bits, 3);
  std::set<std::string> ids;
  for (const PlannedRun& run : experiment.runs) ids.insert(run.id);
  EXPECT_EQ(ids.size(), 4U);  // round to nearest draws nothing: seeds share a run
}

TEST(PlanTest, SeedsOfWhatDrawsNothingShareARun) {
  const auto runs = [](const std::string& pipeline) {
    std::set<std::string> ids;
    for (const PlannedRun& run :
         Load("model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}}\npipeline: [" +
              pipeline + "]\nseeds: [0, 1]\n")
             .runs) {
      ids.insert(run.id);
    }
    return ids.size();
  };
  const std::string rtn = "{type: round, scheme: rtn}";
  EXPECT_EQ(runs("{type: round, scheme: omniquant}"), 1U);  // sequences in their order
  EXPECT_EQ(runs("{type: round, scheme: omniquant, sampler: cyclic}"), 2U);
  EXPECT_EQ(runs("{type: round, scheme: signround}"), 2U);
  EXPECT_EQ(runs("{type: round, scheme: signround, sampler: in_order}"), 1U);
  EXPECT_EQ(runs("{type: round, scheme: lrq, sampler: in_order}"), 2U);  // draws its factors
  EXPECT_EQ(runs("{type: let, sampler: in_order}, " + rtn), 1U);
  EXPECT_EQ(runs("teq, " + rtn), 2U);
}

TEST(PlanTest, WhatARunDoesNotUseDoesNotChangeItsId) {
  const auto id = [](const std::string& yaml) { return Load(yaml).runs.at(0).id; };
  const std::string base = kRtn;
  EXPECT_EQ(id(base), id(base + "seed: 3\n"));
  EXPECT_EQ(id(base), id(base + "calibration: {data: {path: x}}\n"));
  EXPECT_EQ(id(base), id(base + "compute: {threads: 1, device: cpu, memory_limit: 100}\n"));
  EXPECT_EQ(id("model: m/\n"), id("model: {path: m/, dtype: float32}\nquant: {bits: 4}\n"));
  EXPECT_NE(id("model: m/\n"), id("model: n/\n"));
  EXPECT_EQ(id("model: m/\n").size(), 16U);
}

TEST(PlanTest, OverridesOfTheCommandLineWin) {
  EXPECT_EQ(Load(kRtn, {"quant.bits=2", "compute.threads=7"}).runs.at(0).config.compute.threads, 7);
  EXPECT_EQ(ErrorOf([] { Load(kRtn, {"quant.bits=1"}); }),
            "--set quant.bits=1: quant.bits: 1 is out of range [2, 8]");
}

TEST(PlanTest, NullRemovesAnInheritedSection) {
  const TempFolder folder;
  folder.Write("base.yaml", std::string(kRtn) +
                                "calibration: {data: {path: x}}\nseeds: [0, 1]\n"
                                "compute: {threads: 3}\n");
  const Experiment experiment = LoadExperiment(
      folder.Write("e.yaml", "extends: base.yaml\ncalibration: null\ncompute: null\n"), {});
  EXPECT_FALSE(experiment.runs.at(0).config.calibration.has_value());
  EXPECT_EQ(experiment.runs.at(0).config.compute.threads, 2);
}

/// Outcomes of a plan: perplexity 100 * bits + seed.
std::vector<RunOutcome> Outcomes(const Experiment& experiment) {
  std::vector<RunOutcome> outcomes;
  for (const PlannedRun& run : experiment.runs) {
    RunOutcome outcome;
    outcome.id = run.id;
    outcome.state = RunState::kDone;
    outcome.result.metrics["t/perplexity"] =
        static_cast<double>(100 * run.config.quant->spec.bits + run.seed);
    outcome.result.timing["total"] = 2;
    outcomes.push_back(outcome);
  }
  return outcomes;
}

TEST(TableTest, CellsAreMeansOverSeedsWithTheir95PercentInterval) {
  const Experiment experiment = Load(
      "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}}\n"
      "pipeline: [{type: round, scheme: {type: signround}}]\n"
      "eval: [{type: perplexity, name: t, data: {path: x}}]\n"
      "axes: [{key: quant.bits, values: [4, 3, 2]}]\nseeds: [0, 1, 2]\n"
      "tables: [{rows: quant.bits, value: t/perplexity}]\n");
  auto outcomes = Outcomes(experiment);
  outcomes[3].state = RunState::kFailed;  // 3 bits, seed 0
  outcomes[6].state = RunState::kNotRun;
  outcomes[7].state = RunState::kFailed;
  outcomes[8].state = RunState::kFailed;
  const TextTable table = MakeTable(experiment, experiment.tables[0], outcomes);
  // t of 2 degrees of freedom is 4.303, of 1 it is 12.706; the deviations are 1 and sqrt(1/2).
  EXPECT_NEAR(ConfidenceHalfWidth95(std::vector<double>{400, 401, 402}), 4.30265 / std::sqrt(3.0),
              1e-4);
  EXPECT_EQ(table.ToMarkdown(),
            "t/perplexity\n\n"
            "| quant.bits | t/perplexity                  |\n"
            "|------------|------------------------------:|\n"
            "| 4          | 401.0 ± 2.5 (n=3)             |\n"
            "| 3          | **301.5 ± 6.4 (n=2), failed** |\n"
            "| 2          | failed                        |\n");
}

TEST(TableTest, RowsAndColumnsAreAxesAndOthersJoinTheRow) {
  const Experiment experiment =
      Load(std::string(kRtn) +
           "eval: [{type: perplexity, name: t, data: {path: x}}]\n"
           "axes:\n  - {key: quant.bits, values: [4, 3]}\n  - {name: size, values: {a: "
           "{quant.group_size: 32}, b: {}}}\n"
           "tables: [{rows: size, columns: quant.bits, value: t/perplexity}, "
           "{rows: quant.bits, value: t/stderr}]\n");
  auto outcomes = Outcomes(experiment);
  outcomes.erase(outcomes.begin());  // 4 bits, size a
  outcomes.back().state = RunState::kNotRun;
  EXPECT_EQ(MakeTable(experiment, experiment.tables[0], outcomes).ToMarkdown(),
            "t/perplexity\n\n"
            "| size \\ quant.bits | 4       | 3       |\n"
            "|-------------------|--------:|--------:|\n"
            "| a                 | not run | 300.00  |\n"
            "| b                 | 400.00  | not run |\n");
  const TextTable other = MakeTable(experiment, experiment.tables[1], outcomes);
  EXPECT_EQ(other.rows.at(1), (std::vector<std::string>{"4, size b", "-"}));
}

TEST(ExperimentTest, NullTakesInheritedAxesAway) {
  EXPECT_EQ(
      Load(std::string(kRtn) + "axes: null\nseeds: null\nablate: null\ntables: null\nplots: null\n"
                               "where: null\nexcept: null\ntargets: null\n")
          .runs.size(),
      1U);
  EXPECT_EQ(Load(std::string(kRtn) + "axes: [{key: quant.bits, values: [4, 3]}]\n").runs.size(),
            2U);
}

TEST(TableTest, ARunThatWasBegunIsUnfinished) {
  const Experiment experiment = Load(kRtn);
  auto outcomes = Outcomes(experiment);
  outcomes[0].state = RunState::kNotRun;
  EXPECT_EQ(MakeOverview(experiment, outcomes).rows.at(0).at(1), "not run");
  outcomes[0].begun = true;
  EXPECT_EQ(MakeOverview(experiment, outcomes).rows.at(0).at(1), "unfinished");
}

TEST(TableTest, OverviewHasOneRowAPoint) {
  const Experiment experiment =
      Load(std::string(kRtn) + "axes: [{key: quant.bits, values: [4, 3]}]\n");
  const TextTable table = MakeOverview(experiment, Outcomes(experiment));
  EXPECT_EQ(table.header, (std::vector<std::string>{"run", "t/perplexity", "model/bits_per_weight",
                                                    "cost/seconds", "cost/peak_gib"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[1], (std::vector<std::string>{"3", "300.00", "-", "2.0000", "-"}));
}

/// What a perplexity leaves of itself.
void Tell(const std::string& name, const std::string& protocol, const std::string& data,
          RunResult* result) {
  const std::string place = "eval/" + name + "/";
  result->provenance.insert({{place + "protocol", protocol},
                             {place + "settings", "seqlen 8"},
                             {place + "data", data},
                             {place + "bos", "none"},
                             {place + "rule", "so " + protocol}});
  result->metrics.insert({{name + "/perplexity", 20.5},
                          {name + "/stderr", 1.25},
                          {name + "/tokens", 12345},
                          {name + "/context_least", 1},
                          {name + "/context_mean", 4.5}});
}

TEST(TableTest, ProtocolsOfTheSameDataAreSetSideBySide) {
  const Experiment experiment =
      Load(std::string(kRtn) +
           "eval:\n- {type: perplexity, name: b, data: {path: x}}\n"
           "- {type: perplexity, name: a, data: {path: x}, protocol: lmeval_rolling}\n"
           "- {type: perplexity, name: other, data: {path: y}}\n"
           "- {type: divergence, name: d, data: {path: x}}\n"
           "axes: [{key: quant.bits, values: [4, 3, 2]}]\n");
  auto outcomes = Outcomes(experiment);
  outcomes[0].state = RunState::kFailed;
  EXPECT_TRUE(MakeProtocolTables(experiment, outcomes).empty());
  RunResult& result = outcomes[1].result;
  Tell("b", "gptq", "x", &result);
  Tell("other", "gptq", "y", &result);
  EXPECT_TRUE(MakeProtocolTables(experiment, outcomes).empty());
  Tell("a", "lmeval_rolling", "x", &result);
  result.metrics["a/word_perplexity"] = 100;
  result.metrics.erase("a/stderr");  // undefined for too few documents
  result.provenance["eval/d/data"] = "x";
  const auto tables = MakeProtocolTables(experiment, outcomes);
  ASSERT_EQ(tables.size(), 1U);
  EXPECT_EQ(tables[0].title, "Perplexity of x by protocol: 3");
  EXPECT_EQ(tables[0].header,
            (std::vector<std::string>{"protocol", "perplexity", "standard error", "tokens",
                                      "context least / mean", "BOS", "why it differs"}));
  EXPECT_EQ(tables[0].rows,
            (std::vector<std::vector<std::string>>{
                {"gptq, seqlen 8", "20.500", "1.2500", "12345", "1 / 4", "none", "so gptq"},
                {"lmeval_rolling, seqlen 8", "20.500 (a word: 100.00)", "-", "12345", "1 / 4",
                 "none", "so lmeval_rolling"}}));
}

TEST(RunFileTest, ResultsReadBack) {
  const TempFolder folder;
  RunResult result;
  result.id = "0123";
  result.status = "complete";
  result.config = "model:\n  path: m/\n";
  result.provenance = {{"cpu", "a \"b\""}};
  result.metrics = {{"t/perplexity", 0.1 + 0.2}, {"t/stderr", std::nan("")}};
  result.timing = {{"total", 2.5}};
  result.memory = {{"peak_resident_bytes", 1024.0 * 1024 * 1024}};
  result.codes_sha256 = "ff";
  WriteRunResult(folder / "run.json", result);
  const RunResult read = ReadRunResult(folder / "run.json");
  EXPECT_EQ(read.id, result.id);
  EXPECT_EQ(read.config, result.config);
  EXPECT_EQ(read.provenance, result.provenance);
  EXPECT_EQ(read.metrics.at("t/perplexity"), 0.1 + 0.2);
  EXPECT_TRUE(std::isnan(read.metrics.at("t/stderr")));
  EXPECT_EQ(read.codes_sha256, "ff");
  EXPECT_EQ(read.Value("cost/seconds"), 2.5);
  EXPECT_EQ(read.Value("cost/peak_gib"), 1.0);
  result.memory["peak_device_bytes"] = 2.0 * 1024 * 1024 * 1024;
  EXPECT_EQ(result.Value("cost/peak_gib"), 2.0);  // of what computed
  EXPECT_EQ(read.Value("cost/tune_seconds"), std::nullopt);
  EXPECT_EQ(read.Value("u/perplexity"), std::nullopt);
  const std::string broken = folder.Write("broken.json", "{\"id\": ");
  EXPECT_EQ(ErrorOf([&] { ReadRunResult(broken); }), broken + ": not JSON: error at byte 8");
  const std::string other = folder.Write("other.json", "{}");
  EXPECT_EQ(ErrorOf([&] { ReadRunResult(other); }).find(other + ": not a run result: "), 0U);
}

RunOutcome Done(const std::string& id) {
  RunOutcome outcome;
  outcome.id = id;
  outcome.folder = "nowhere/" + id;
  outcome.state = RunState::kDone;
  outcome.result.metrics["t/perplexity"] = 2;
  return outcome;
}

TEST(CellTest, WithoutRunFilesThereIsNoTestAndItIsSaid) {
  const RunOutcome a = Done("a");
  const RunOutcome b = Done("b");
  Cell of_a;
  Cell of_b;
  of_a.Add(0, &a, "t/perplexity");
  of_b.Add(0, &b, "t/perplexity");
  std::string problem;
  EXPECT_EQ(Cell::Chance(of_a, of_b, "t/perplexity", &problem), std::nullopt);
  EXPECT_EQ(problem.find("nowhere/a"), 0U) << problem;
}

TEST(CellTest, SmallFiguresKeepTheirDigits) {
  EXPECT_EQ(FormatNumber(0.000251888), "0.000252");
  EXPECT_EQ(FormatNumber(-2.5e-7), "-2.5e-07");
  EXPECT_EQ(FormatNumber(0), "0.0000");
  EXPECT_EQ(FormatNumber(0.0018), "0.0018");
}

TEST(LookAtRunTest, ARunFileOfAnotherRunIsNotBelieved) {
  const TempFolder folder;
  RunConfig config;
  config.model.path = "m/";
  RunResult result;
  result.id = "other";
  result.status = "complete";
  WriteRunResult(folder / "run.json", result);
  const RunOutcome found = LookAtRun(folder.path(), config);
  EXPECT_TRUE(found.corrupt);
  EXPECT_STREQ(StateName(found), "unreadable");
  EXPECT_EQ(found.reason, folder / "run.json: of run 'other', not of " + config.Id() + "; remove " +
                              folder.path() + " to do the run again");
}

TEST(LoadExperimentTest, TablesAreLookedAtBesideRunsThatAreWrong) {
  const TempFolder folder;
  const std::string file = folder.Write(
      "e.yaml",
      "model: m/\nsed: 1\naxes: [{key: seed, values: [1, 2]}]\ntables: [{rows: sed, value: x}]\n");
  const std::string error = ErrorOf([&] { LoadExperiment(file, {}); });
  EXPECT_NE(error.find(file + ":2:1: unknown key 'sed'; did you mean 'seed'?"), std::string::npos);
  EXPECT_NE(error.find(file + ":4:10: tables.0.rows: unknown axis 'sed'; did you mean 'seed'?"),
            std::string::npos)
      << error;
  EXPECT_EQ(error.find("measures"), std::string::npos) << error;  // what, is not known yet
}

}  // namespace
}  // namespace roundlab
