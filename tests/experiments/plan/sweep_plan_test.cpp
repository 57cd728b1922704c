#include <gtest/gtest.h>

#include <cmath>

#include "experiments/plan/experiment.h"
#include "experiments/tables/ablation.h"
#include "experiments/tables/table.h"
#include "rounding/stages/round.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::TempFolder;
using Row = std::vector<std::string>;

constexpr const char* kTuned = R"(
model: m/
quant: {bits: 4}
calibration: {data: {path: x}}
pipeline: [{type: round, scheme: {type: signround}}]
eval: [{type: perplexity, name: t, data: {path: x}}]
)";

Experiment LoadTuned(const std::string& yaml) {
  const TempFolder folder;
  return LoadExperiment(folder.Write("e.yaml", kTuned + yaml), {});
}

/// A complete outcome a distinct run, whose metric `value` tells.
template <class Value>
std::vector<RunOutcome> OutcomesBy(const Experiment& experiment, const Value& value) {
  std::vector<RunOutcome> outcomes;
  for (const PlannedRun& run : experiment.runs) {
    RunOutcome& outcome = outcomes.emplace_back();
    outcome.id = run.id;
    outcome.state = RunState::kDone;
    outcome.result.metrics["t/perplexity"] = value(run);
  }
  return outcomes;
}

TEST(AxesTest, ZipSetsOptionsTogetherAndLabelsNameThem) {
  const Experiment experiment = LoadTuned(
      "axes:\n"
      "  - {name: size, zip: {quant.bits: [4, 2], quant.group_size: [128, 64]}}\n"
      "  - {key: pipeline.0.steps, values: [50, 200], labels: [short, long]}\n");
  EXPECT_EQ(experiment.axes.at(0).labels, (Row{"4, 128", "2, 64"}));
  EXPECT_EQ(experiment.axes.at(1).labels, (Row{"short", "long"}));
  ASSERT_EQ(experiment.runs.size(), 4U);
  EXPECT_EQ(experiment.runs[3].config.quant->spec.bits, 2);
  EXPECT_EQ(experiment.runs[3].config.quant->spec.group_size, 64);
  EXPECT_EQ(RoundOptionsOf(experiment.runs[3].config.pipeline)->tune.steps, 200);
}

TEST(AxesTest, ValuesThatAreNoWordsAreTheirOwnLabels) {
  const Experiment experiment = LoadTuned(
      "axes:\n  - key: calibration\n    values: [{data: {path: t}, samples: 4, seqlen: 8}, {data: "
      "lab, samples: 4, seqlen: 8}]\n  - {key: quant.skip, values: [[], ['a', 'b']]}\n");
  EXPECT_EQ(experiment.axes.at(0).labels, (Row{"{data: {path: t}, samples: 4, seqlen: 8}",
                                               "{data: lab, samples: 4, seqlen: 8}"}));
  EXPECT_EQ(experiment.axes.at(1).labels, (Row{"[]", "[a, b]"}));
}

TEST(AxesTest, WhereKeepsAndExceptDropsPoints) {
  const Experiment experiment = LoadTuned(
      "axes: [{key: quant.bits, values: [4, 3, 2]}, {key: model.dtype, values: [float32, "
      "bfloat16]}]\n"
      "where: [{quant.bits: [4, 3]}, {model.dtype: float32}]\nexcept: [{quant.bits: 4, "
      "model.dtype: bfloat16}]\n");
  std::vector<std::string> points;
  for (const PlannedRun& run : experiment.runs) {
    points.push_back(run.labels.at("quant.bits") + "/" + run.labels.at("model.dtype"));
  }
  EXPECT_EQ(points, (Row{"4/float32", "3/float32", "3/bfloat16", "2/float32"}));
}

TEST(ExperimentTest, ReadsItselfBackFromTheResolvedText) {
  const Experiment experiment = LoadTuned(
      "axes: [{name: m, values: {a: {}, b: {quant.bits: 3}}}]\nseeds: [0, 1]\n"
      "tables: [{rows: m, value: t/perplexity}]\n"
      "ablate: {value: t/perplexity, off: {offset: {pipeline.0.scheme.tune_offset: false}}}\n");
  const TempFolder folder;
  const Experiment again = LoadExperiment(folder.Write("other.yaml", experiment.resolved), {});
  EXPECT_EQ(again.name, experiment.name);
  EXPECT_EQ(again.resolved, experiment.resolved);
  ASSERT_EQ(again.runs.size(), 8U);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(again.runs[i].id, experiment.runs[i].id);
    EXPECT_EQ(again.runs[i].labels, experiment.runs[i].labels);
  }
}

constexpr const char* kAblate = R"(
seeds: [0, 1, 2]
ablate:
  value: t/perplexity
  pairs: true
  off:
    best: {pipeline.0.select: last}
    range: {pipeline.0.scheme.tune_range: false}
)";

TEST(AblationTest, SwitchesOffOneAndTwoAtATime) {
  const Experiment experiment = LoadTuned(kAblate);
  EXPECT_EQ(experiment.axes.at(0).name, "ablate");
  EXPECT_EQ(experiment.axes[0].labels, (Row{"full", "- best", "- range", "- best - range"}));
  ASSERT_EQ(experiment.runs.size(), 12U);
  EXPECT_NE(experiment.runs[9].config.Canonical().find("select: last"), std::string::npos);
  EXPECT_NE(experiment.runs[9].config.Canonical().find("tune_range: false"), std::string::npos);
}

TEST(PlanTest, NamesOfMetricsFitALine) {
  const TempFolder folder;
  const auto error = [&](const std::string& name) {
    const std::string file =
        folder.Write("e.yaml", "model: m/\neval:\n- {type: perplexity, data: {path: x}, name: \"" +
                                   name + "\"}\n");
    return testing::ErrorOf([&] { LoadExperiment(file, {}); });
  };
  EXPECT_EQ(error("t 1"), "");
  EXPECT_NE(error("a\\nb").find("e.yaml:3:3: eval.0: name 'a\nb' must have 1 to 200 bytes"),
            std::string::npos);
  EXPECT_NE(error(std::string(201, 'x')).find("must have 1 to 200 bytes"), std::string::npos);
}

TEST(PlanTest, NamesOfMetricsAreGroupsOfAFile) {
  const TempFolder folder;
  const auto error = [&](const std::string& a, const std::string& b) {
    const std::string file = folder.Write(
        "e.yaml", "model: m/\neval:\n- {type: perplexity, data: {path: x}, name: " + a +
                      "}\n- {type: perplexity, data: {path: x}, name: " + b + "}\n");
    return testing::ErrorOf([&] { LoadExperiment(file, {}); });
  };
  EXPECT_EQ(error("t/a", "t/b"), "");
  EXPECT_EQ(error("tt", "t"), "");
  const std::string lies = " lie in each other; give one of them another name";
  EXPECT_NE(error("t", "t/nll").find("e.yaml:4:3: eval.1: name 't/nll' and 't' of eval.0" + lies),
            std::string::npos);
  EXPECT_NE(error("t/nll", "t").find("eval.1: name 't' and 't/nll' of eval.0" + lies),
            std::string::npos);
  for (const std::string name : {"'.'", "a//b", "a/", "/a", "a/../b"}) {
    EXPECT_NE(error("t", name).find("has a part between '/' that is no name"), std::string::npos)
        << name;
  }
}

TEST(PlanTest, AFileWhosePathIsNoNameGivesItsOwn) {
  const TempFolder folder;
  const auto names = [&](const std::string& evaluators) {
    const std::string file = folder.Write("e.yaml", "model: m/\neval:\n" + evaluators);
    const Experiment experiment = LoadExperiment(file, {});
    std::vector<std::string> all;
    for (const auto& recipe : experiment.runs.at(0).config.eval) {
      for (const std::string& name : recipe.make()->Names()) all.push_back(name);
    }
    return all;
  };
  const auto of = [&](const std::string& path) {
    const std::string data = "data: {path: " + path + "}}\n";
    return names("- {type: perplexity, " + data + "- {type: divergence, " + data +
                 "- {type: perplexity, protocol: sliding, " + data);
  };
  for (const std::string path : {"/abs/a.jsonl.gz", "../a.txt", "./a", "x//a.parquet"}) {
    EXPECT_EQ(of(path), (Row{"a", "a_divergence", "a_sliding"})) << path;
  }
  EXPECT_EQ(of("x/a.txt"), (Row{"x/a.txt", "x/a.txt_divergence", "x/a.txt_sliding"}));
  EXPECT_EQ(of("/" + std::string(200, 'd') + "/wiki.test.raw")[0], "wiki.test");
  const std::string two =
      "- {type: perplexity, data: {path: /x/a.txt}}\n- {type: perplexity, data: {path: "
      "/y/a.txt}}\n";
  EXPECT_EQ(testing::ErrorOf([&] { names(two); }),
            folder / "e.yaml" +
                ":4:3: eval.1: name 'a' is taken by eval.0; give one of them a "
                "name (zero_shot: a suffix)");
}

TEST(AblationTest, SeedsThatShareARunCountOnce) {
  const Experiment experiment = LoadTuned(kAblate);
  auto outcomes = OutcomesBy(experiment, [](const PlannedRun& run) {
    return run.labels.at("ablate") == "full" ? 100.0 : 90.0;
  });
  Experiment shared = experiment;  // nothing is drawn: a run for all seeds
  for (PlannedRun& run : shared.runs) run.id = run.labels.at("ablate");
  for (std::size_t i = 0; i < outcomes.size(); ++i) outcomes[i].id = shared.runs[i].id;
  const TextTable table = MakeAblationTables(shared, outcomes).at(0);
  EXPECT_EQ(table.rows.at(0), (Row{"full", "100.00", "1", "", "", "", ""}));
  EXPECT_EQ(table.rows.at(1), (Row{"- best", "90.000", "1", "-10.000", "-", "-", "-"}));
}

TEST(AblationTest, RanksByDamageWithIntervalsAndInteraction) {
  const Experiment experiment = LoadTuned(kAblate);
  // Seeds 0, 1, 2 shift everything by 0, 10, 20; damages 1 and 4 +- 1, and both 8: 3 more than 5.
  const auto outcomes = OutcomesBy(experiment, [](const PlannedRun& run) {
    const std::string& label = run.labels.at("ablate");
    const auto seed = static_cast<double>(run.seed);
    const double damage = label == "full"      ? 0
                          : label == "- best"  ? 1
                          : label == "- range" ? 3 + seed
                                               : 8;
    return 100 + 10 * seed + damage;
  });
  const auto tables = MakeAblationTables(experiment, outcomes);
  ASSERT_EQ(tables.size(), 1U);
  const TextTable& table = tables[0];
  EXPECT_EQ(table.title, "Ablation on t/perplexity: most damaging first");
  ASSERT_EQ(table.rows.size(), 4U);
  EXPECT_EQ(table.rows[0], (Row{"full", "110.00", "3", "", "", "", ""}));
  EXPECT_EQ(table.rows[1], (Row{"- best - range", "118.00", "3", "+8.0000", "+8.0000 to +8.0000",
                                "-", "+3.0000"}));  // no spread, no p
  // Mean 4, s = 1: 4 +- 4.30265 / sqrt(3); t = 6.9282 with 2 degrees of freedom: p = 0.0202.
  EXPECT_EQ(table.rows[2],
            (Row{"- range", "114.00", "3", "+4.0000", "+1.5159 to +6.4841", "0.0202", "-"}));
  EXPECT_EQ(table.rows[3][0], "- best");
}

TEST(AblationTest, OneSeedHasNoIntervalAndMissingRunsAreSaid) {
  const Experiment experiment = LoadTuned(
      "ablate: {value: t/perplexity, off: {offset: {pipeline.0.scheme.tune_offset: false}, "
      "range: {pipeline.0.scheme.tune_range: false}}}\n");
  auto outcomes = OutcomesBy(experiment, [](const PlannedRun& run) {
    return run.labels.at("ablate") == "full" ? 100.0 : 90.0;
  });
  outcomes[2].state = RunState::kFailed;
  const TextTable table = MakeAblationTables(experiment, outcomes).at(0);
  EXPECT_EQ(table.rows.at(1), (Row{"- offset", "90.000", "1", "-10.000", "-", "-"}));
  EXPECT_EQ(table.rows.at(2), (Row{"- range", "failed", "0", "-", "-", "-"}));
}

TEST(TableTest, SeedsThatAgreeTellNoSpreadAndEqualMeansAreBothTheBest) {
  const Experiment experiment = LoadTuned(
      "axes:\n  - {key: pipeline.0.steps, name: steps, values: [10, 20, 30]}\nseeds: [0, 1]\n"
      "tables: [{rows: steps, value: t/perplexity, compare_to: 10}]\n");
  auto outcomes = OutcomesBy(experiment, [](const PlannedRun& /*run*/) { return 1.0; });
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const bool first = experiment.runs[i].labels.at("steps") == "10";
    outcomes[i].result.metrics["t/acc"] = first ? 0.75 : 0.8;
  }
  TableSpec spec = experiment.tables[0];
  spec.value = "t/acc";
  const TextTable table = MakeTable(experiment, spec, outcomes);
  EXPECT_EQ(table.rows.at(1).at(1), "0.8000 ± 0.0000 (n=2)");
  EXPECT_EQ(table.best, (std::set<std::pair<std::size_t, std::size_t>>{{1, 1}, {2, 1}}));
  EXPECT_EQ(table.notes, (Row{"Not tested: t/acc: the seeds' differences are all the same, which "
                              "tells no spread"}));
}

TEST(TableTest, StarsDifferencesFromTheBaselineAndMarksTheBest) {
  const Experiment experiment = LoadTuned(
      "axes:\n  - {key: pipeline.0.steps, name: steps, values: [10, 20, 30]}\nseeds: [0, 1, 2]\n"
      "tables: [{rows: steps, value: t/perplexity, compare_to: 10}]\n");
  // 20 steps: 5 less on each seed, give or take; 30 steps: noise.
  const auto outcomes = OutcomesBy(experiment, [](const PlannedRun& run) {
    const double base = 50 + 10 * static_cast<double>(run.seed);
    const double wiggle = run.seed == 1 ? 0.1 : -0.1;
    const std::string& steps = run.labels.at("steps");
    return steps == "10" ? base : (steps == "20" ? base - 5 + wiggle : base + 20 * wiggle);
  });
  const TextTable table = MakeTable(experiment, experiment.tables[0], outcomes);
  EXPECT_EQ(table.rows.at(0).at(1).find("†"), std::string::npos);
  EXPECT_NE(table.rows.at(1).at(1).find(" †"), std::string::npos);
  EXPECT_EQ(table.rows.at(2).at(1).find("†"), std::string::npos);
  EXPECT_EQ(table.best, (std::set<std::pair<std::size_t, std::size_t>>{{1, 1}}));
  ASSERT_EQ(table.notes.size(), 1U);
  EXPECT_EQ(table.notes[0].find("† differs from 10 with p < 0.05"), 0U);
  const TextTable rows = MakeLongTable(experiment, experiment.tables[0], outcomes);
  EXPECT_EQ(rows.header,
            (Row{"steps", "column", "metric", "mean", "half_width_95", "n", "p", "status"}));
  EXPECT_EQ(rows.rows.at(0).at(3), "60");
  EXPECT_EQ(rows.rows.at(0).at(6), "");
  EXPECT_LT(std::stod(rows.rows.at(1).at(6)), 0.001);
  EXPECT_EQ(rows.rows.at(1).at(7), "complete");
}

}  // namespace
}  // namespace roundlab
