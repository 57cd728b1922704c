#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "core/metrics/hdf5_file.h"
#include "tests/experiments/program.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ProgramResult;
using testing::RandomText;
using testing::RunProgram;
using testing::TempFolder;
using testing::TinyModel;

/// What the program says of a command line that it refuses.
std::string Refusal(const TempFolder& folder, const std::vector<std::string>& words) {
  const ProgramResult run = RunProgram(folder.path(), words);
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  return run.err;
}

class PlanAndRunTest : public ::testing::Test {
 protected:
  PlanAndRunTest() {
    TinyModel().Write(folder_ / "m");
    folder_.Write("text.txt", RandomText(400, 1));
    folder_.Write("c.yaml",
                  "name: demo\nmodel: m/\nquant: {bits: 4, group_size: 16}\n"
                  "pipeline: [{type: round, scheme: {type: rtn}}]\n"
                  "eval: [{type: perplexity, name: t, data: {path: text.txt}, seqlen: 16}]\n"
                  "threads: 1\naxes: [{key: quant.bits, values: [8, 2]}]\n");
  }
  json Json(const std::vector<std::string>& words) const {
    const ProgramResult run = RunProgram(folder_.path(), words);
    EXPECT_EQ(run.code, 0) << run.err;
    return json::parse(run.out);
  }
  const TempFolder folder_;
};

TEST_F(PlanAndRunTest, JsonListsRunsWithIdFolderStatusAndMetrics) {
  const json plan = Json({"plan", "c.yaml", "--out", "out", "--json"});
  EXPECT_EQ(plan.at("experiment"), "demo");
  ASSERT_EQ(plan.at("runs").size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  const json done = Json({"run", "c.yaml", "--out", "out", "--json", "--quiet"});
  ASSERT_EQ(done.at("runs").size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const json& planned = plan.at("runs").at(i);
    const json& run = done.at("runs").at(i);
    EXPECT_EQ(planned.at("status"), "not run");
    EXPECT_EQ(planned.at("metrics"), json::object());
    EXPECT_EQ(run.at("status"), "complete");
    EXPECT_EQ(run.at("id"), planned.at("id"));
    EXPECT_EQ(run.at("folder"), "out/demo/" + run.at("id").get<std::string>());
    EXPECT_EQ(run.at("points"), json::array({{{"quant.bits", i == 0 ? "8" : "2"}, {"seed", "0"}}}));
    EXPECT_GT(run.at("metrics").at("t/perplexity"), 1.0);
  }
  EXPECT_EQ(Json({"plan", "c.yaml", "--out", "out", "--json"}).at("runs").at(0).at("status"),
            "complete");
}

TEST_F(PlanAndRunTest, WhereNothingWasRoundedThereAreNoCodes) {
  const json run = Json({"run", "c.yaml", "--json", "--quiet", "--only", "quant.bits=8", "--set",
                         "quant.skip=['.*']"});
  const std::string folder = folder_ / run.at("runs").at(0).at("folder");
  EXPECT_FALSE(json::parse(testing::ReadAll(folder + "/run.json")).contains("codes_sha256"));
}

TEST_F(PlanAndRunTest, ReproduceNeedsAFigureOfARunThatIsLeft) {
  folder_.Write("t.csv", "bits,t\n2,5.0\n");
  const std::string config = testing::ReadAll(folder_ / "c.yaml");
  folder_.Write("r.yaml", config +
                              "targets: {file: t.csv, source: a paper, axes: {bits: quant.bits}, "
                              "metrics: {t: t/perplexity}}\n");
  EXPECT_EQ(Refusal(folder_, {"reproduce", "r.yaml", "--only", "quant.bits=8", "--out", "out"}),
            "r.yaml: none of the published figures is of a run that is left (--only)\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(PlanAndRunTest, JsonIsUtf8WhateverAFolderIsCalled) {
  const std::string folder =
      Json({"plan", "c.yaml", "--out", "o\xFFt", "--json"}).at("runs").at(0).at("folder");
  EXPECT_EQ(folder.rfind("o\xEF\xBF\xBDt/demo/", 0), 0U) << folder;
}

TEST_F(PlanAndRunTest, KeysWithoutUseAreToldWithTheRunsWhereTheyAre) {
  const auto told = [&](const std::string& rotate, const std::string& axis) {
    return RunProgram(folder_.path(),
                      {"validate", "c.yaml", "--set", "model={path: m/, rotate: " + rotate + "}",
                       "--set", "axes=[" + axis + "]"})
        .err;
  };
  const std::string line = "model.rotate.seed: of no use without random in residual";
  EXPECT_EQ(told("{residual: none, seed: 3}", "{key: quant.bits, values: [8, 2]}"),
            "--set model={path: m/, rotate: {residual: none, seed: 3}}:1:43: " + line + "\n");
  EXPECT_EQ(told("{seed: 3}", "{key: model.rotate.residual, values: [hadamard, none, random]}"),
            "--set model={path: m/, rotate: {seed: 3}}:1:27: " + line + " (hadamard and 1 more)\n");
}

TEST_F(PlanAndRunTest, CompareShowsWhatTwoRunsReport) {
  const json runs = Json({"run", "c.yaml", "--out", "out", "--json", "--quiet"}).at("runs");
  const json compared =
      Json({"compare", runs.at(0).at("folder"), runs.at(1).at("folder"), "--json", "--seed", "3"});
  EXPECT_EQ(compared.at("seed"), 3);
  EXPECT_EQ(compared.at("a").at("id"), runs.at(0).at("id"));
  EXPECT_EQ(compared.at("b").at("id"), runs.at(1).at("id"));
  EXPECT_EQ(compared.at("config"),
            json({{"only_a", {"quant.bits: 8"}}, {"only_b", {"quant.bits: 2"}}}));
  EXPECT_EQ(compared.at("not_compared"), json::array());
  ASSERT_EQ(compared.at("figures").size(), 2U);
  const json& perplexity = compared.at("figures").at(1);
  EXPECT_EQ(perplexity.at("name"), "t/perplexity");
  EXPECT_EQ(perplexity.at("n"), 25);
  for (const auto& [side, run] : {std::pair{"a", 0U}, std::pair{"b", 1U}}) {
    const double reported = runs.at(run).at("metrics").at("t/perplexity");
    EXPECT_NEAR(perplexity.at(side), reported, 1e-12 * reported);
  }
}

TEST_F(PlanAndRunTest, ReportReadsTheFolderThatARunHasLeft) {
  Json({"run", "c.yaml", "--out", "out", "--json", "--quiet"});
  const ProgramResult report = RunProgram(folder_.path(), {"report", "out/demo"});
  EXPECT_EQ(report.code, 0) << report.err;
  EXPECT_EQ(report.out, "out/demo/report/report.html\nout/demo/report/report.md\n");
  EXPECT_EQ(report.err, "2 runs: 2 done; 2 plots\n");
  const std::string page = testing::ReadAll(folder_ / "out/demo/report/report.html");
  EXPECT_NE(page.find("<a href=\"../"), std::string::npos);
  EXPECT_NE(page.find("t/perplexity against bits a weight"), std::string::npos);
  const ProgramResult elsewhere =
      RunProgram(folder_.path(), {"report", "out/demo/", "--out", "there", "--quiet"});
  EXPECT_EQ(elsewhere.out, "there/report.html\nthere/report.md\n");
  EXPECT_EQ(elsewhere.err, "");
  EXPECT_NE(testing::ReadAll(folder_ / "there/report.html").find("<a href=\"../out/demo/"),
            std::string::npos);
}

TEST(PlanJsonTest, RunsAreInPlanOrder) {
  const TempFolder folder;
  folder.Write("c.yaml",
               "model: m/\nquant: {bits: 4}\ncalibration: {data: {path: x}}\n"
               "pipeline: [{type: round, scheme: {type: signround}}]\nseeds: [5, 4, 3, 2, 1, 0]\n");
  const ProgramResult plan = RunProgram(folder.path(), {"plan", "c.yaml", "--json"});
  ASSERT_EQ(plan.code, 0) << plan.err;
  std::string seeds;
  const json printed = json::parse(plan.out);
  for (const json& run : printed.at("runs")) {
    seeds += run.at("points").at(0).at("seed").get<std::string>();
  }
  EXPECT_EQ(seeds, "543210");
}

TEST(ReportCommandTest, BadCommandLinesAreRefused) {
  const TempFolder folder;
  const auto error = [&](const std::vector<std::string>& words) { return Refusal(folder, words); };
  EXPECT_EQ(error({"report"}), "usage: roundlab report DIR [--out ...] [--quiet]\n");
  EXPECT_EQ(error({"report", "none"}), "none: no such folder\n");
  folder.Write("file", "");
  std::filesystem::create_directory(folder / "empty");
  EXPECT_EQ(error({"report", "empty"}),
            "empty: no folder of an experiment: it has no experiment.yaml, which `roundlab run` "
            "writes into OUT/EXPERIMENT\n");
}

TEST(CompareCommandTest, BadCommandLinesAreRefused) {
  const TempFolder folder;
  const auto error = [&](const std::vector<std::string>& words) { return Refusal(folder, words); };
  EXPECT_EQ(error({"compare", "a"}), "usage: roundlab compare A B [--seed ...] [--json]\n");
  EXPECT_EQ(error({"compare", "a", "b"}), "a: no such folder\n");
  EXPECT_EQ(error({"compare", "a", "b", "--seed=-1"}), "--seed -1 is out of range [0, inf)\n");
  EXPECT_EQ(
      error({"run", "c.yaml", "--seed", "1"}),
      "command line: --seed belongs to compare, sample and world; a run's seed is --set seed=N\n");
}

TEST_F(PlanAndRunTest, PerplexitiesOfOneTextEndInATableOfProtocols) {
  const ProgramResult run = RunProgram(
      folder_.path(),
      {"run", "c.yaml", "--out", "out", "--quiet", "--set",
       "eval=[{type: perplexity, data: {path: text.txt}, seqlen: 16, windows: 2}, {type: "
       "perplexity, data: {path: text.txt}, protocol: sliding, seqlen: 16, stride: 4}, {type: "
       "perplexity, data: {path: text.txt}, protocol: llama_cpp, seqlen: 8}, {type: divergence, "
       "data: {path: text.txt}, seqlen: 16}]"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto table = run.out.find("\nPerplexity of text.txt by protocol: 8\n");
  ASSERT_NE(table, std::string::npos) << run.out;
  const std::string text = run.out.substr(table);
  for (const char* row : {"| gptq, seqlen 16 ", "| sliding, seqlen 16, stride 4 ",
                          "| llama_cpp, seqlen 8 ", "| 1 / 8 ", "| 5 / 6 "}) {
    EXPECT_NE(text.find(row), std::string::npos) << row << text;
  }
  EXPECT_NE(run.out.find("| text.txt_divergence/kl_mean "), std::string::npos) << run.out;
}

TEST_F(PlanAndRunTest, OneBadRunDoesNotStopTheOthersAndDecidesTheExitCode) {
  folder_.Write("c.yaml",
                "name: demo\nmodel: m/\n"
                "eval: [{type: perplexity, name: t, data: {path: text.txt}, seqlen: 16}]\n"
                "threads: 1\naxes: [{key: model, values: [nan/, m/]}]\n");
  TinyModel{.layers = 2, .context = 64, .nan = true}.Write(folder_ / "nan");
  const std::string reason =
      "nan/model.safetensors: tensor 'model.layers.1.mlp.down_proj.weight' holds NaN at element 7";
  const ProgramResult run =
      RunProgram(folder_.path(), {"run", "c.yaml", "--out", "out", "--quiet", "--json"});
  EXPECT_EQ(run.code, 2);
  const json runs = json::parse(run.out).at("runs");
  EXPECT_EQ(runs.at(0).at("status"), "failed");
  EXPECT_EQ(runs.at(0).at("reason"), reason);
  EXPECT_EQ(runs.at(1).at("status"), "complete");
  EXPECT_EQ(run.err, "run " + runs.at(0).at("id").get<std::string>() + " failed: " + reason + "\n");
}

TEST_F(PlanAndRunTest, ALossThatIsNotFiniteFailsTheRunWithCode1) {
  const ProgramResult run = RunProgram(
      folder_.path(),
      {"run", "c.yaml", "--out", "out", "--quiet", "--set", "axes=[]", "--set",
       "calibration={data: {path: text.txt}, protocol: plain, samples: 8, seqlen: 16}", "--set",
       "pipeline.0={type: round, scheme: {type: signround}, steps: 3, loss_scale: 1e300, "
       "optimizer: {type: sgd, lr: 1e30}}"});
  EXPECT_EQ(run.code, 1) << run.err;
  EXPECT_NE(run.err.find(" failed: block_"), std::string::npos) << run.err;
}

/// A run on a model whose hidden states are beyond float16 (loud) and one that is not, of two
/// evaluators.
class NotFiniteRunTest : public PlanAndRunTest {
 protected:
  NotFiniteRunTest() {
    TinyModel{.loud = 3e4F}.Write(folder_ / "loud");
    folder_.Write("rows.jsonl",
                  "{\"q\": \"ab\", \"c\": [\"c\", \"d\"], \"a\": 0}\n"
                  "{\"q\": \"e\", \"c\": [\"f\", \"gh\"], \"a\": 0}\n"
                  "{\"q\": \"i\", \"c\": [\"j\", \"k\"], \"a\": 1}\n");
    folder_.Write("quiz.yaml",
                  "data: {path: rows.jsonl}\nfields: {q: q, c: c, a: a}\ncontext: '{q}'\n"
                  "choices: '{c}'\ngold: '{a}'\nmetrics: [acc]\n");
  }
  /// The points are float16 and float32.
  void WriteConfig(const std::string& eval) const {
    folder_.Write("c.yaml", "name: demo\nmodel: {path: loud}\nthreads: 1\neval:\n" + eval +
                                "axes: [{key: model.dtype, values: [float16, float32]}]\n"
                                "tables: [{rows: model.dtype, value: quiz/acc}]\n");
  }
  static std::string Eval(const std::string& more) {
    return "- {type: perplexity, name: t, data: {path: text.txt}, seqlen: 16" + more +
           "}\n- {type: zero_shot, protocol: lmeval_0_4, tasks: [./quiz.yaml]" + more + "}\n";
  }
};

TEST_F(NotFiniteRunTest, FailsWithTheFirstSuchNumberAsItsReason) {
  WriteConfig(Eval(""));
  const ProgramResult run =
      RunProgram(folder_.path(), {"run", "c.yaml", "--out", "out", "--quiet", "--json"});
  EXPECT_EQ(run.code, 1) << run.err;
  const json runs = json::parse(run.out).at("runs");
  EXPECT_EQ(runs.at(0).at("status"), "failed");
  EXPECT_EQ(runs.at(0).at("reason"),
            "t: window 0: log-likelihood of token 1 is nan; the first output that is not finite is "
            "that of block 1");
  EXPECT_EQ(runs.at(0).at("metrics"), json::object());
  EXPECT_EQ(runs.at(1).at("status"), "complete");
}

TEST_F(NotFiniteRunTest, WhatWasHandledBeforeIsInItsFileAndInTheReport) {
  TinyModel{.loud = 6e4F, .loud_layer = "mlp.up_proj"}.Write(folder_ / "loud");
  WriteConfig(Eval("") +
              "quant: {bits: 4, group_size: 16}\npipeline: [{type: round, scheme: gptq}]\n"
              "calibration: {data: {path: text.txt}, protocol: plain, samples: 4, seqlen: 16}\n");
  const ProgramResult run =
      RunProgram(folder_.path(), {"run", "c.yaml", "--out", "out", "--quiet", "--json"});
  EXPECT_EQ(run.code, 1) << run.err;
  const json failed = json::parse(run.out).at("runs").at(0);
  ASSERT_EQ(failed.at("status"), "failed") << run.err;
  const std::string file = folder_ / failed.at("folder").get<std::string>() + "/run.h5";
  const std::string down = "layers/model.layers.1.mlp.down_proj/fallback";
  EXPECT_EQ(ReadArray(file, down).values, std::vector<double>{1});
  EXPECT_EQ(ReadAttribute(file, "status"), "failed");
  ASSERT_EQ(RunProgram(folder_.path(), {"report", "out/demo"}).code, 0);
  const std::string report = testing::ReadAll(folder_ / "out/demo/report/report.md");
  EXPECT_NE(report.find("| float16, seed 0, which failed | 1 "), std::string::npos) << report;
}

TEST_F(NotFiniteRunTest, WhereItIsToBeRecordedNothingIsMadeOfIt) {
  WriteConfig(Eval(", on_nan: record"));
  const ProgramResult run =
      RunProgram(folder_.path(), {"run", "c.yaml", "--out", "out", "--quiet", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const json runs = json::parse(run.out).at("runs");
  const json& metrics = runs.at(0).at("metrics");
  EXPECT_EQ(metrics.at("t/perplexity"), "nan");
  EXPECT_EQ(metrics.at("quiz/acc"), "nan");
  EXPECT_EQ(metrics.at("quiz/documents"), 3);
  EXPECT_GT(runs.at(1).at("metrics").at("quiz/acc"), -1.0);
  const std::string folder = runs.at(0).at("folder");
  const json written = json::parse(testing::ReadAll(folder_ / folder + "/run.json"));
  EXPECT_EQ(written.at("metrics"), metrics);
  EXPECT_NE(written.at("provenance")
                .at("eval/t/not_finite")
                .get<std::string>()
                .find(" not finite; the first: window 0: "),
            std::string::npos);

  const auto table = [&](const char* format) {
    return RunProgram(folder_.path(), {"table", "c.yaml", "--out", "out", "--format", format}).out;
  };
  EXPECT_NE(table("markdown").find("| float16 | "), std::string::npos) << table("markdown");
  for (const char* format : {"markdown", "latex", "html", "csv"}) {
    EXPECT_NE(table(format).find("nan"), std::string::npos) << table(format);
  }
  EXPECT_NE(table("csv").find("float16,quiz/acc,quiz/acc,nan,,1,,complete"), std::string::npos)
      << table("csv");

  const json compared = Json({"compare", folder, runs.at(1).at("folder"), "--json"});
  for (const json& figure : compared.at("figures")) {
    EXPECT_EQ(figure.at("a"), "nan") << figure;
    EXPECT_TRUE(figure.at("b").is_number()) << figure;
    EXPECT_TRUE(figure.at("difference").is_null()) << figure;
    EXPECT_TRUE(figure.at("p").is_null()) << figure;
    EXPECT_EQ(figure.at("left_out"), 0) << figure;
    EXPECT_EQ(figure.at("verdict"), "undefined: a value is not finite");
  }
  EXPECT_EQ(compared.at("figures").size(), 3U);
  const ProgramResult report = RunProgram(folder_.path(), {"report", "out/demo"});
  EXPECT_EQ(report.code, 0) << report.err;
  EXPECT_NE(testing::ReadAll(folder_ / "out/demo/report/report.md").find("nan"), std::string::npos);
}

TEST_F(NotFiniteRunTest, AModelThatDoesNotFitIsStreamedWithTheSameNumbers) {
  folder_.Write("text.txt", RandomText(2000, 1));
  folder_.Write("c.yaml", "name: demo\nmodel: {path: m}\nthreads: 1\neval:\n" + Eval("") +
                              "- {type: divergence, name: d, data: {path: text.txt}, seqlen: 32}\n"
                              "quant: {bits: 3, group_size: 16}\n"
                              "pipeline: [{type: round, scheme: {type: rtn}}]\n"
                              "axes: [{key: model.dtype, values: [bfloat16, float32]}]\n");
  const json whole = Json({"run", "c.yaml", "--out", "a", "--json", "--quiet"}).at("runs");
  const json streamed =
      Json({"run", "c.yaml", "--out", "b", "--json", "--quiet", "--max-memory", "0.00001"})
          .at("runs");
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(streamed.at(i).at("metrics"), whole.at(i).at("metrics"));
    const std::string log = "/" + streamed.at(i).at("id").get<std::string>() + "/log.txt";
    EXPECT_NE(testing::ReadAll(folder_ / "b/demo" + log).find(" blocks are read one by one"),
              std::string::npos);
    EXPECT_EQ(testing::ReadAll(folder_ / "a/demo" + log).find(" blocks are read one by one"),
              std::string::npos);
  }
  EXPECT_EQ(Refusal(folder_, {"run", "c.yaml", "--max-memory=-1"}),
            "command line: --max-memory -1.0000 is out of range [0, 1000000) GiB\n");
}

}  // namespace
}  // namespace roundlab
