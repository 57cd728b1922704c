#include "experiments/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "core/metrics/hdf5_file.h"
#include "experiments/report/plots.h"
#include "experiments/report/report_data.h"
#include "experiments/report/report_tables.h"
#include "tests/core/formats/format_files.h"
#include "tests/experiments/report/synthetic_runs.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using testing::ErrorOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ReadAll;
using testing::SyntheticRuns;
using testing::TempFolder;

/// Every file of a folder with its contents.
std::map<std::string, std::string> Snapshot(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().string()] = ReadAll(entry.path().string());
  }
  return files;
}

std::vector<std::string> Titles(const std::vector<PlotSection>& sections) {
  std::vector<std::string> titles;
  for (const PlotSection& section : sections) titles.push_back(section.title);
  return titles;
}

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() {
    SyntheticRuns().Write(runs_);
    for (const PlannedRun& run : LoadExperiment(runs_ + "/experiment.yaml", {}).runs) {
      const std::string folder = runs_ + "/" + run.id;
      if (std::find(run_.begin(), run_.end(), folder) == run_.end()) run_.push_back(folder);
    }
  }
  const TempFolder folder_;
  const std::string runs_ = folder_ / "exp";
  std::vector<std::string> run_;  ///< folders: fp, then for each width rtn, signround x 3, bold x 3
};

TEST_F(ReportTest, RunsThatPointsShareAreThereOnce) {
  const ReportData data = GatherReport(runs_);
  EXPECT_EQ(data.points.size(), 8U);
  EXPECT_EQ(data.runs.size(), 15U);
  EXPECT_EQ(data.Count(ReportState::kDone), data.runs.size());
  EXPECT_TRUE(data.problems.empty());
  EXPECT_EQ(data.points[2].label, "W0, signround");
  EXPECT_EQ(data.points[2].runs.size(), 3U);
  EXPECT_EQ(data.points[2].details.losses.size(), 2U);
  EXPECT_TRUE(data.points[0].details.losses.empty());
  EXPECT_EQ(data.runs[0].places.size(), 6U);
  EXPECT_EQ(data.runs[0].places.front(), "W0, fp, seed 0");
  EXPECT_EQ(Summary(data), "15 runs: 15 done");
  EXPECT_EQ(Commits(data), "0123456789ab");
}

TEST_F(ReportTest, PlotsShowMeansOfWhatTheRunsMeasured) {
  const ReportData data = GatherReport(runs_);
  const auto metrics = MetricPlots(data);
  EXPECT_THAT(Titles(metrics), ElementsAre("Against bits a weight", "Against cost", "Seeds"));
  const Plot& bits = metrics[0].plots.at(0);
  EXPECT_EQ(bits.name, "bits-1");
  ASSERT_EQ(bits.series.size(), 3U);  // fp has no bits: it is a line
  ASSERT_EQ(bits.lines.size(), 1U);
  EXPECT_EQ(bits.lines[0].name, "fp");
  EXPECT_EQ(bits.lines[0].y, 30);
  EXPECT_EQ(bits.series[1].name, "signround");
  ASSERT_EQ(bits.series[1].points.size(), 2U);
  EXPECT_EQ(bits.series[1].points[0].x, 5);      // 3 bits and 32 for each group of 16
  EXPECT_EQ(bits.series[1].points[0].y, 55.25);  // 30 + 200 / 8 + 0.25 * mean(0, 1, 2)
  // Student's t with 2 degrees of freedom: 4.3027 * 0.25 / sqrt(3)
  EXPECT_NEAR(bits.series[1].points[0].high, 55.25 + 0.62103, 1e-4);
  EXPECT_EQ(bits.series[1].points[0].label,
            "W1, signround: t/perplexity 55.25 ± 0.62 (n=3), model/bits_per_weight 5.0000");
  const Plot& seeds = metrics[2].plots.at(0);
  EXPECT_EQ(seeds.y.categories.size(), 8U);
  EXPECT_EQ(seeds.series[0].points.size(), 16U);
  EXPECT_EQ(seeds.series[1].points.size(), 8U);
}

TEST_F(ReportTest, TuningIsComparedPointByPoint) {
  const ReportData data = GatherReport(runs_);
  const auto tuning = TuningPlots(data);
  EXPECT_THAT(Titles(tuning), ElementsAre("Losses", "Flip rates", "Output SNR", "Offsets"));
  ASSERT_EQ(tuning[0].plots.size(), 2U);  // a plot a width, the tuned methods side by side
  EXPECT_EQ(tuning[0].plots[0].title, "relative loss, width W0");
  ASSERT_EQ(tuning[0].plots[0].series.size(), 2U);
  EXPECT_EQ(tuning[0].plots[0].series[1].name, "<b>&bold</b>");
  EXPECT_EQ(tuning[0].plots[0].series[0].points.size(), 64U);
  EXPECT_NEAR(tuning[1].plots[0].series[0].points.at(1).y, 0.111, 1e-12);
  EXPECT_NEAR(tuning[3].plots[0].series[0].points.at(0).y, 1.0 / 22, 1e-12);
  EXPECT_EQ(tuning[3].plots[0].series[0].points.back().x, 0.55);
  const auto points = PointPlots(data);
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[0].title, "W0, signround");
  ASSERT_EQ(points[0].plots.size(), 4U);
  EXPECT_EQ(points[0].plots[0].series.size(), 2U);
  EXPECT_EQ(points[0].plots[1].series[0].name, "down_proj");
}

TEST_F(ReportTest, IsOnePageWithoutRequestsAndWithEveryTextEscaped) {
  const auto before = Snapshot(runs_);
  const ReportFiles files = WriteReport(runs_, folder_ / "report");
  EXPECT_EQ(Snapshot(runs_), before);
  EXPECT_EQ(files.summary, "15 runs: 15 done");
  EXPECT_EQ(files.problems, 0U);
  const std::string html = ReadAll(folder_ / "report/report.html");
  EXPECT_THAT(html, HasSubstr("&lt;b&gt;&amp;bold&lt;/b&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("<b>&")));
  EXPECT_THAT(html, HasSubstr("Content-Security-Policy\" content=\"default-src 'none'"));
  for (const char* from_elsewhere : {"src=", "@import", "url(", "<iframe", "fetch("}) {
    EXPECT_THAT(html, Not(HasSubstr(from_elsewhere)));
  }
  for (std::size_t at = 0; (at = html.find("http", at)) != std::string::npos; ++at) {
    const std::string found = html.substr(at, 26);
    EXPECT_TRUE(found == "http://www.w3.org/2000/svg" || found.rfind("http-equiv", 0) == 0)
        << found;
  }
  EXPECT_THAT(html, HasSubstr("<a href=\"../exp/"));
  EXPECT_THAT(html, Not(HasSubstr("id=\"failed\"")));
  EXPECT_THAT(html, HasSubstr("<td>55.25 ± 0.62 (n=3)"));
  std::size_t svgs = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "report/plots")) {
    svgs += entry.path().extension() == ".svg" ? 1U : 0U;
  }
  EXPECT_EQ(svgs, files.plots);
  EXPECT_EQ(files.plots, 3U + 8U + 16U);
  const std::string markdown = ReadAll(folder_ / "report/report.md");
  EXPECT_THAT(markdown, HasSubstr("![t/perplexity against bits a weight](plots/bits-1.svg)"));
  EXPECT_THAT(markdown, HasSubstr("55.25 ± 0.62 (n=3)"));
  EXPECT_THAT(markdown, HasSubstr("&lt;b>&bold&lt;/b>"));
}

TEST_F(ReportTest, BrokenFilesAreNamedCountedAndLeftAlone) {
  const std::string bad_json = run_[0];
  const std::string bad_h5 = run_[2];
  const std::string no_h5 = run_[3];
  const std::string other_config = run_[5];
  std::ofstream(bad_json + "/run.json") << "{\"id\": ";
  std::ofstream(bad_h5 + "/run.h5") << "<script>";
  fs::remove(no_h5 + "/run.h5");
  std::ofstream(other_config + "/config.yaml") << "model: x\n";
  fs::create_directory(runs_ + "/left_over");
  std::ofstream(runs_ + "/left_over/config.yaml") << "x";
  const auto before = Snapshot(runs_);
  const ReportFiles files = WriteReport(runs_, folder_ / "report");
  EXPECT_EQ(Snapshot(runs_), before);
  EXPECT_EQ(files.summary, "15 runs: 13 done, 2 unreadable");
  EXPECT_EQ(files.problems, 4U);
  for (const char* name : {"report/report.html", "report/report.md"}) {
    const std::string page = ReadAll(folder_ / name);
    EXPECT_THAT(page, HasSubstr(bad_json + "/run.json: not JSON"));
    EXPECT_THAT(page, HasSubstr(bad_h5 + "/run.h5"));
    EXPECT_THAT(page, HasSubstr(no_h5 + "/run.h5"));
    EXPECT_THAT(page, HasSubstr("this folder holds another config than run"));
    EXPECT_THAT(page, HasSubstr("left_over"));
    EXPECT_LT(page.find("Failed runs"), page.find("Tables"));
  }
  const ReportData data = GatherReport(runs_);
  EXPECT_EQ(data.points[2].details.losses.size(), 2U);  // of the seed whose run.h5 is good
}

TEST_F(ReportTest, FailedUnfinishedAndAbsentRunsAreToldApart) {
  const std::string failed = run_[0];
  const std::string unfinished = run_[1];
  RunResult result = ReadRunResult(failed + "/run.json");
  result.status = "failed";
  result.reason = "it <failed>\n| badly";
  WriteRunResult(failed + "/run.json", result);
  fs::remove(unfinished + "/run.json");
  fs::remove_all(run_[2]);
  WriteReport(runs_, folder_ / "report");
  const ReportData data = GatherReport(runs_);
  EXPECT_EQ(Summary(data), "15 runs: 12 done, 1 failed, 1 unfinished, 1 not run");
  const std::string html = ReadAll(folder_ / "report/report.html");
  EXPECT_LT(html.find("<pre>it &lt;failed&gt;\n| badly</pre>"), html.find("id=\"tables\""));
  EXPECT_THAT(ReadAll(folder_ / "report/report.md"), HasSubstr("    it <failed>\n    | badly\n"));
}

TEST_F(ReportTest, TheLossesOfAFailedRunAreShownUpToThere) {
  const std::string failed = run_[2];  // signround
  const std::string id = fs::path(failed).filename().string();
  RunResult result = ReadRunResult(failed + "/run.json");
  result.status = "failed";
  result.reason = "block_1: loss nan at step 7";
  WriteRunResult(failed + "/run.json", result);
  {
    LiveRunFile live(failed + "/run.h5", {"tune/block_0/loss", "tune/block_1/loss"}, {});
    for (int step = 0; step < 7; ++step) live.Record("tune/block_1/loss", step, 1 + step);
    live.Record("tune/block_1/loss", 7, std::nan(""));
  }
  const ReportData data = GatherReport(runs_);
  const auto plots = FailurePlots(data);
  ASSERT_EQ(plots.size(), 1U);
  const Plot& plot = plots.at(id);
  EXPECT_EQ(plot.title, "loss by unit, W0, signround, seed 0");
  ASSERT_EQ(plot.series.size(), 1U);
  EXPECT_EQ(plot.series[0].name, "block_1");
  EXPECT_EQ(plot.series[0].points.size(), 8U);
  EXPECT_THAT(ToSvg(plot, ""), HasSubstr("Not drawn: block_1: 1 of 8 not finite"));
  WriteReport(runs_, folder_ / "report");
  EXPECT_THAT(ReadAll(folder_ / "report/report.md"), HasSubstr("(plots/failed-" + id + ".svg)"));
  EXPECT_TRUE(fs::exists(folder_ / ("report/plots/failed-" + id + ".svg")));
}

TEST_F(ReportTest, PublishedFiguresStandBesideOurs) {
  std::ofstream(runs_ + "/paper.csv") << "width,method,ppl\nW1,signround,55.3\nW0,rtn,40.0\n";
  std::ofstream(runs_ + "/experiment.yaml", std::ios::app)
      << "targets: {file: paper.csv, source: a paper, axes: {width: width, method: method}, "
         "metrics: {ppl: t/perplexity}}\n";
  WriteReport(runs_, folder_ / "report");
  const std::string html = ReadAll(folder_ / "report/report.html");
  EXPECT_THAT(html, HasSubstr("(55.3)"));
  EXPECT_THAT(html, HasSubstr("(40.0)"));
}

TEST_F(ReportTest, PlotsThatTheFileAsksForComeFirst) {
  std::ofstream(runs_ + "/experiment.yaml", std::ios::app)
      << "plots:\n"
         "  - {x: method, y: t/perplexity, series: width, title: by method}\n"
         "  - {x: model/bits_per_weight, y: t/perplexity, series: method, log: none}\n";
  const ReportData data = GatherReport(runs_);
  const PlotSection section = ChosenPlots(data);
  ASSERT_EQ(section.plots.size(), 2U);
  const Plot& by_method = section.plots[0];
  EXPECT_EQ(by_method.title, "by method");
  EXPECT_EQ(by_method.y.categories, data.experiment.axes[1].labels);
  EXPECT_EQ(by_method.x.label, "t/perplexity");
  ASSERT_EQ(by_method.series.size(), data.experiment.axes[0].labels.size());
  for (const ReportPoint& point : data.points) {
    const Cell cell = data.Measure(point, "t/perplexity");
    const auto& labels = data.experiment.axes[1].labels;
    const auto row = std::find(labels.begin(), labels.end(), point.labels.at("method"));
    bool found = false;
    for (const PlotSeries& series : by_method.series) {
      if (series.name != point.labels.at("width")) continue;
      for (const PlotPoint& p : series.points) {
        found =
            found || (p.y == static_cast<double>(row - labels.begin()) && p.x == cell.MeanValue() &&
                      (std::isnan(p.high) || p.high == cell.MeanValue() + cell.HalfWidth()));
      }
    }
    EXPECT_TRUE(found) << point.label;
  }
  EXPECT_EQ(section.plots[1].title, "t/perplexity against model/bits_per_weight");
  EXPECT_FALSE(section.plots[1].y.log);
  WriteReport(runs_, folder_ / "report");
  const std::string html = ReadAll(folder_ / "report/report.html");
  EXPECT_LT(html.find("Plots of this experiment"), html.find("Against bits a weight"));
}

TEST_F(ReportTest, AMeasurementThatIsNotFiniteIsToldWhereItIsNotDrawn) {
  const std::string file = run_[2] + "/run.json";  // a seed of W0, signround
  RunResult result = ReadRunResult(file);
  result.metrics["t/perplexity"] = std::nan("");
  WriteRunResult(file, result);
  const ReportData data = GatherReport(runs_);
  EXPECT_TRUE(std::isnan(data.Measure(data.points[2], "t/perplexity").MeanValue()));
  WriteReport(runs_, folder_ / "report");
  const std::string html = ReadAll(folder_ / "report/report.html");
  EXPECT_THAT(html, HasSubstr(">Not drawn: signround: 1 of 2 not finite</text>"));
  EXPECT_THAT(html, HasSubstr(">Not drawn: one seed: 1 of "));
  EXPECT_THAT(ReadAll(folder_ / "report/plots/bits-1.svg"), HasSubstr("Not drawn: signround"));
}

TEST_F(ReportTest, WhatCannotBeWrittenIsTold) {
  EXPECT_EQ(ErrorOf([&] { WriteReport(runs_, runs_ + "/experiment.yaml/x"); }),
            runs_ + "/experiment.yaml/x: cannot make this folder: Not a directory");
  fs::create_directories(folder_ / "report/report.md/x");  // a folder can't be replaced by a file
  EXPECT_EQ(ErrorOf([&] { WriteReport(runs_, folder_ / "report"); }),
            folder_ / "report" + "/report.md: cannot write: Is a directory");
}

TEST_F(ReportTest, ManyFailuresAreFoldedAway) {
  for (const std::string& folder : run_) {
    std::ofstream(folder + "/run.json") << "{}";
  }
  WriteReport(runs_, folder_ / "report");
  const std::string html = ReadAll(folder_ / "report/report.html");
  EXPECT_THAT(html, HasSubstr("<summary>5 more</summary>"));
  EXPECT_THAT(html, Not(HasSubstr("id=\"plots\"")));
  EXPECT_THAT(html, HasSubstr("<b>15</b> unreadable"));
}

TEST_F(ReportTest, ANewReportReplacesThePlotsOfTheOldOneAndNothingElse) {
  WriteReport(runs_, folder_ / "report");
  const std::string plots = folder_ / "report/plots";
  std::ofstream(plots + "/bits-9.svg") << "of the old one";
  std::ofstream(plots + "/plots.txt", std::ios::app) << "bits-9.svg\n../report.md\n";
  std::ofstream(plots + "/mine.svg") << "mine";
  WriteReport(runs_, folder_ / "report");
  EXPECT_FALSE(fs::exists(plots + "/bits-9.svg"));
  EXPECT_EQ(ReadAll(plots + "/mine.svg"), "mine");
  EXPECT_TRUE(fs::exists(folder_ / "report/report.md"));
}

TEST_F(ReportTest, ManyPointsAreCutAndThatIsSaid) {
  const std::string many = folder_ / "many";
  SyntheticRuns{.widths = 31, .seeds = 1, .blocks = 1}.Write(many);
  const ReportData data = GatherReport(many);
  EXPECT_EQ(PointPlots(data).size(), 60U);
  WriteReport(many, folder_ / "report");
  EXPECT_THAT(ReadAll(folder_ / "report/report.html"), HasSubstr("<summary>24 more</summary>"));
  EXPECT_THAT(TuningPlots(data).at(0).note,
              HasSubstr(" The first 60 of 62 points of the plan are drawn; run.h5 has all."));
}

TEST(ReportBudgetTest, ATableTellsWhatGotHowManyBits) {
  ReportData data;
  ReportPoint& point = data.points.emplace_back();
  point.label = "2.5 bits";
  point.details.budget_bits = {{"down_proj", {{0, 4}, {1, 3}, {2, 4}}},
                               {"q_proj", {{0, 2}, {1, 2}, {2, 2}}}};
  data.points.emplace_back();  // without a budget
  const TextTable table = ResultTables(data).back();
  EXPECT_EQ(table.title, "Bits by layer: 2.5 bits");
  EXPECT_EQ(table.header, (std::vector<std::string>{"layer", "2 bits", "3 bits", "4 bits", "mean",
                                                    "block by block"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0],
            (std::vector<std::string>{"down_proj", "0", "1", "2", "3.667", "4 3 4"}));
  EXPECT_EQ(table.rows[1], (std::vector<std::string>{"q_proj", "3", "0", "0", "2", "2 2 2"}));
}

TEST(ReportAblationTest, ComponentsAreRankedByTheDamageOfGoingWithout) {
  const TempFolder folder;
  folder.Write("experiment.yaml",
               "name: ab\nmodel: m/\nquant: {bits: 4, group_size: 16}\n"
               "pipeline: [{type: round, scheme: {type: signround}}]\n"
               "calibration: {data: {path: t}, protocol: plain, samples: 8, seqlen: 16}\n"
               "eval: [{type: perplexity, name: t, data: {path: t}, seqlen: 16}]\nseeds: [0, 1]\n"
               "ablate:\n  value: t/perplexity\n  off:\n"
               "    offset: {pipeline.0.scheme.tune_offset: false}\n"
               "    range: {pipeline.0.scheme.tune_range: false}\n");
  const std::map<std::string, double> worse = {{"full", 0}, {"- offset", 1}, {"- range", 4}};
  for (const PlannedRun& run : LoadExperiment(folder / "experiment.yaml", {}).runs) {
    RunResult result;
    result.id = run.id;
    result.status = "complete";
    result.config = run.config.Canonical();
    const auto seed = static_cast<double>(run.seed);
    result.metrics["t/perplexity"] = 30 + seed + worse.at(run.labels.at("ablate")) * (1 + seed);
    fs::create_directory(folder / run.id);
    WriteRunResult(folder / run.id + "/run.json", result);
    WriteRunFile(folder / run.id + "/run.h5", {}, {});
  }
  const auto sections = MetricPlots(GatherReport(folder.path()));
  ASSERT_FALSE(sections.empty());
  EXPECT_EQ(sections[0].title, "Ablations");
  const Plot& plot = sections[0].plots.at(0);
  EXPECT_THAT(plot.y.categories, ElementsAre("full", "- range", "- offset"));
  const auto& points = plot.series.at(0).points;
  EXPECT_EQ(points[0].x, 0);
  EXPECT_EQ(points[1].x, 6);  // mean of 4 and 8
  EXPECT_EQ(points[2].x, 1.5);
  // Student's t with 1 degree of freedom: 12.7062 * (8 - 4) / 2
  EXPECT_NEAR(points[1].low, 6 - 25.4124, 1e-3);
  EXPECT_NEAR(points[1].high, 6 + 25.4124, 1e-3);
}

TEST(ReportFolderTest, WhatIsNoExperimentIsRefused) {
  const TempFolder folder;
  const auto error = [&](const std::string& name) {
    return ErrorOf([&] { GatherReport(folder / name); });
  };
  const std::string none =
      ": no folder of an experiment: it has no experiment.yaml, which "
      "`roundlab run` writes into OUT/EXPERIMENT";
  EXPECT_EQ(error("gone"), folder / "gone: no such folder");
  fs::create_directories(folder / "out/empty");
  EXPECT_EQ(error("out"), folder / "out" + none);
  SyntheticRuns{.widths = 1, .seeds = 1}.Write(folder / "out/exp");
  EXPECT_EQ(error("out"), folder / "out" + none + "; did you mean " + folder.path() + "/out/exp?");
  folder.Write("out/exp/experiment.yaml", "name: x\nmodell: y\n");
  EXPECT_THAT(error("out/exp"), HasSubstr("unknown key 'modell'"));
}

}  // namespace
}  // namespace roundlab
