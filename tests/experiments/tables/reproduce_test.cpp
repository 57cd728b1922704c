#include "experiments/tables/reproduce.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::TempFolder;

constexpr const char* kExperiment = R"(
model: m/
quant: {bits: 4}
eval:
  - {type: perplexity, name: a, data: {path: x}}
  - {type: perplexity, name: b, data: {path: x}}
axes:
  - {key: model, name: model, values: [m/, n/], labels: [M, N]}
  - {name: method, values: {fp: {}, rtn: {pipeline: [{type: round, scheme: {type: rtn}}]}}}
targets:
  file: t.csv
  source: a paper
  scale: 100
  axes: {model: model, config: method, how: method}
  labels: {method: {FP16: fp, W4: "*", RTN: rtn}}
  absent: {method: {AWQ: no such scheme}}
  metrics: {a: a/perplexity, both: [a/perplexity, b/perplexity]}
  tolerance: [{axis: method, labels: [fp]}, {relative: 0.01, errors: 1}]
)";

constexpr const char* kFigures =
    "model,config,how,a,both\n"
    "M,FP16,FP16,500.00,600.0\n"
    "M,W4,RTN,510,-\n"
    "M,W4,AWQ,520,\n"
    "N,FP16,FP16,1,2\n";

class ReproduceTest : public ::testing::Test {
 protected:
  Experiment Load(const std::string& figures = kFigures, const std::string& change = "") {
    folder_.Write("t.csv", figures);
    return LoadExperiment(folder_.Write("e.yaml", kExperiment),
                          change.empty() ? std::vector<std::string>() : std::vector{change});
  }

  /// a = 5.0 or 5.1, b = 7; the model N is not run.
  static std::vector<RunOutcome> Outcomes(const Experiment& experiment, double fp, double rtn) {
    std::vector<RunOutcome> outcomes;
    for (const PlannedRun& run : experiment.runs) {
      if (run.labels.at("model") == "N") continue;
      RunOutcome& outcome = outcomes.emplace_back();
      outcome.id = run.id;
      outcome.state = RunState::kDone;
      outcome.result.metrics = {{"a/perplexity", run.labels.at("method") == "fp" ? fp : rtn},
                                {"a/stderr", 0.02},
                                {"b/perplexity", 7}};
    }
    return outcomes;
  }

  const TempFolder folder_;
};

TEST_F(ReproduceTest, ErrorsOfPerplexityHaveTwoNames) {
  const Experiment experiment = Load();
  auto outcomes = Outcomes(experiment, 5, 5);
  for (RunOutcome& outcome : outcomes) {
    outcome.result.metrics.erase("a/stderr");
    outcome.result.metrics["a/perplexity_stderr"] = 0.05;  // a divergence's, a last word's
  }
  EXPECT_NEAR(CompareWithTargets(experiment, outcomes)[2].tolerance, 0.5 + 5.1 + 5, 1e-6);
}

TEST_F(ReproduceTest, ARunThatFailedIsNotLeftOutOfAMean) {
  const Experiment experiment = Load(kFigures, "seeds=[0, 1]");
  auto outcomes = Outcomes(experiment, 5, 5.1);
  for (RunOutcome& outcome : outcomes) {
    if (outcome.id == experiment.runs[2].id) outcome.state = RunState::kFailed;
  }
  const auto results = CompareWithTargets(experiment, outcomes);
  EXPECT_EQ(results[0].verdict, experiment.runs[2].labels.at("method") == "fp"
                                    ? TargetVerdict::kFailed
                                    : TargetVerdict::kWithin);
  EXPECT_EQ(results[2].verdict, experiment.runs[2].labels.at("method") == "rtn"
                                    ? TargetVerdict::kFailed
                                    : TargetVerdict::kWithin);
}

TEST_F(ReproduceTest, ACellIsJudgedWhenAllItsRunsAreDone) {
  const Experiment experiment = Load(kFigures, "seeds=[0, 1]");
  auto outcomes = Outcomes(experiment, 5, 5.1);
  const std::string method = experiment.runs[2].labels.at("method");
  for (RunOutcome& outcome : outcomes) {
    if (outcome.id == experiment.runs[2].id) outcome.state = RunState::kNotRun;
  }
  const auto results = CompareWithTargets(experiment, outcomes);
  EXPECT_EQ(results[method == "fp" ? 0 : 2].verdict, TargetVerdict::kNotRun);
  EXPECT_EQ(results[method == "fp" ? 2 : 0].verdict, TargetVerdict::kWithin);
}

TEST_F(ReproduceTest, FiguresAreWrittenInDecimals) {
  const auto error = [&](const std::string& printed) {
    return ErrorOf([&] { Load("model,config,how,a,both\nM,FP16,FP16," + printed + ",1\n"); });
  };
  for (const char* good : {"5", "5.", ".5", "-5.25", "5.1e2", "1e4", "-", ""}) {
    EXPECT_EQ(error(good), "") << good;
  }
  for (const char* bad : {"0x10", " 5", "5 ", "inf", "1e", "5,1"}) {
    EXPECT_NE(error(bad), "") << bad;
  }
  // Two decimals less one by the power of ten.
  const Experiment experiment = Load("model,config,how,a,both\nM,FP16,FP16,50.01e1,1\n");
  const auto results = CompareWithTargets(experiment, Outcomes(experiment, 5, 5));
  EXPECT_NEAR(results[0].tolerance, 0.05, 1e-9);
}

TEST_F(ReproduceTest, EachCellIsJudgedByItsRule) {
  const Experiment experiment = Load();
  const auto results = CompareWithTargets(experiment, Outcomes(experiment, 5.00004, 5.16));
  ASSERT_EQ(results.size(), 8U);
  EXPECT_EQ(results[0].verdict, TargetVerdict::kWithin);  // 500.004 prints as 500.00
  EXPECT_NEAR(results[0].ours, 500.004, 1e-9);
  EXPECT_NEAR(results[0].tolerance, 0.005, 1e-9);
  EXPECT_EQ(results[1].verdict, TargetVerdict::kWithin);  // (500.004 + 700) / 2
  // 516 - 510 <= 0.5 + 5.1 + 2: the last digit, 1 %, one standard error.
  EXPECT_NEAR(results[2].tolerance, 7.6, 1e-6);
  EXPECT_EQ(results[2].verdict, TargetVerdict::kWithin);
  EXPECT_EQ(results[3].verdict, TargetVerdict::kNotAvailable);
  EXPECT_EQ(results[4].verdict, TargetVerdict::kAbsent);
  EXPECT_EQ(results[6].verdict, TargetVerdict::kNotRun);
  const auto off = CompareWithTargets(experiment, Outcomes(experiment, 5.00006, 5.18));
  EXPECT_EQ(off[0].verdict, TargetVerdict::kOutside);
  EXPECT_EQ(off[2].verdict, TargetVerdict::kOutside);
}

TEST_F(ReproduceTest, TheTableTellsMissingCellsApart) {
  const Experiment experiment = Load();
  const TextTable table =
      MakeTargetTable(experiment, CompareWithTargets(experiment, Outcomes(experiment, 5.1, 5.1)));
  using Cells = std::vector<std::string>;
  EXPECT_EQ(table.header, (Cells{"row", "a", "both"}));
  EXPECT_EQ(table.rows.at(0), (Cells{"M, FP16", "510.00 (500.00) ✗", "605.00 (600.0) ✗"}));
  EXPECT_EQ(table.rows.at(1),
            (Cells{"M, W4, RTN", "510.00 (510)", "605.00 (paper: not available)"}));
  EXPECT_EQ(table.rows.at(2), (Cells{"N, FP16", "- (1)", "- (2)"}));
  ASSERT_EQ(table.notes.size(), 2U);
  EXPECT_EQ(table.notes[0],
            "1 within, 2 outside, 2 not run, 2 no run here, 1 paper: not available.");
  EXPECT_EQ(table.notes[1], "1 rows of the paper have no run here: no such scheme");
  const TextTable before = MakeTargetTable(experiment, CompareWithTargets(experiment, {}));
  EXPECT_EQ(before.notes.at(0), "5 not run, 1 not run (paper: not available), 2 no run here.");
}

TEST_F(ReproduceTest, RowsThatSayNothingAreCounted) {
  const Experiment experiment = Load();
  auto results = CompareWithTargets(experiment, {});
  for (TargetResult& r : results) {
    if (r.cell->row == "N, FP16") r.published = std::nan("");
  }
  const TextTable table = MakeTargetTable(experiment, results);
  for (const auto& row : table.rows) EXPECT_NE(row.front(), "N, FP16");
  ASSERT_GE(table.notes.size(), 2U);
  EXPECT_EQ(table.notes[1],
            "1 rows with neither a figure of ours nor a published one are left out.");
}

TEST_F(ReproduceTest, WhatWasMeasuredComesFirst) {
  const Experiment experiment = Load();
  std::vector<RunOutcome> outcomes;
  for (const PlannedRun& run : experiment.runs) {
    if (run.labels.at("model") == "M") continue;
    RunOutcome& outcome = outcomes.emplace_back();
    outcome.id = run.id;
    outcome.state = RunState::kDone;
    outcome.result.metrics = {{"a/perplexity", 5.0}, {"b/perplexity", 7}};
  }
  const TextTable table = MakeTargetTable(experiment, CompareWithTargets(experiment, outcomes));
  ASSERT_FALSE(table.rows.empty());
  EXPECT_EQ(table.rows.front().front(), "N, FP16");
  EXPECT_EQ(table.rows.back().front().front(), 'M');
}

TEST_F(ReproduceTest, OnlyTakesAPartAndTheRestIsNotPlanned) {
  Experiment experiment = Load();
  KeepOnly({"model=N"}, &experiment);
  EXPECT_EQ(experiment.runs.size(), 2U);
  const auto results = CompareWithTargets(experiment, {});
  EXPECT_EQ(results[0].verdict, TargetVerdict::kNotPlanned);
  EXPECT_EQ(results[6].verdict, TargetVerdict::kNotRun);
  EXPECT_EQ(ErrorOf([&] { KeepOnly({"modle=N"}, &experiment); }),
            "--only modle=N: unknown axis 'modle'; did you mean 'model'? (known: method, model)");
  EXPECT_EQ(ErrorOf([&] { KeepOnly({"model=X"}, &experiment); }),
            "--only model=X: axis 'model' has no 'X'; did you mean 'M'? (known: M, N)");
  EXPECT_EQ(ErrorOf([&] { KeepOnly({"model"}, &experiment); }),
            "--only model: expected AXIS=LABEL[,LABEL...]");
}

TEST_F(ReproduceTest, BadTargetsAreToldWithTheirPlace) {
  const std::string csv = folder_ / "t.csv";
  const std::string yaml = folder_ / "e.yaml";
  EXPECT_EQ(ErrorOf([&] { Load("model,config,how,a,both\nM,W4,HQQ,1,2\n"); }),
            csv +
                ":2: target names no run: axis 'method' has no 'HQQ' (known: fp, rtn); say under "
                "targets.labels or targets.absent what it is");
  EXPECT_EQ(
      ErrorOf([&] { Load("model,config,how,a\nM,W4,RTN,1\n"); }),
      yaml + ":17:30: targets: " + csv + " has no column 'both' (known: a, config, how, model)");
  EXPECT_EQ(ErrorOf([&] { Load("model,config,how,a,both\nM,W4,RTN,1\n"); }),
            yaml + ":11:9: targets.file: " + csv + ":2: has 4 cells, the first line has 5");
  for (const std::string figure : {"x", "1 x", "nan", "inf", "1e999"}) {
    EXPECT_EQ(ErrorOf([&] { Load("model,config,how,a,both\nM,W4,RTN," + figure + ",1\n"); }),
              yaml + ":11:9: targets.file: " + csv + ":2: a is '" + figure +
                  "', not a number, '-' or nothing");
  }
  EXPECT_EQ(ErrorOf([&] { Load(kFigures, "targets.metrics.a=a/perplexty"); })
                .find("--set targets.metrics.a=a/perplexty: targets.metrics.a: no run measures "
                      "'a/perplexty'; did you mean 'a/perplexity'?"),
            0U);
  EXPECT_EQ(ErrorOf([&] { Load(kFigures, "targets.axes.how=methd"); }),
            "--set targets.axes.how=methd: targets.axes.how: unknown axis 'methd'; did you mean "
            "'method'? (known: method, model)");
  const auto targets = [&](const std::string& change) {
    return ErrorOf([&] { Load(kFigures, "targets." + change); });
  };
  EXPECT_EQ(targets("labels.methd={RTN: rtn}"),
            "--set targets.labels.methd={RTN: rtn}: targets.labels: unknown axis 'methd'; did you "
            "mean 'method'? (known: method, model)");
  EXPECT_EQ(targets("absent.methd={AWQ: none}"),
            "--set targets.absent.methd={AWQ: none}: targets.absent: unknown axis 'methd'; did you "
            "mean 'method'? (known: method, model)");
  EXPECT_EQ(targets("tolerance=[{axis: methd, labels: [fp]}]"),
            "--set targets.tolerance=[{axis: methd, labels: [fp]}]:1:2: targets.tolerance.0.axis: "
            "unknown axis 'methd'; did you mean 'method'? (known: method, model)");
  EXPECT_EQ(
      targets("tolerance=[{axis: method, labels: [pf]}]"),
      "--set targets.tolerance=[{axis: method, labels: [pf]}]:1:2: "
      "targets.tolerance.0.labels: axis 'method' has no 'pf'; did you mean 'fp'? (known: fp, rtn)");
}

TEST_F(ReproduceTest, FiguresThatSayNothingOrTwoThingsAreRefused) {
  const std::string before = folder_ / "e.yaml" + ":11:9: targets.file: " + folder_ / "t.csv";
  const auto error = [&](const std::string& figures) { return ErrorOf([&] { Load(figures); }); };
  EXPECT_EQ(error("model,config,how,a,both\n"), before + ": has no rows below its first line");
  EXPECT_EQ(error("model,config,how,a,both,a\nM,W4,RTN,1,2,3\n"),
            before + ":1: column 'a' is there twice");
  EXPECT_EQ(error("model,config,how,a,both\nM,W4,RTN,1,2\nN,W4,RTN,1,2\nM,W4,RTN,1,3\n"),
            before + ":4: of the same run as line 2");
}

}  // namespace
}  // namespace roundlab
