#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "experiments/report/report_data.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

constexpr const char* kPublished = R"(model: m/
quant: {bits: 4}
pipeline: [{type: round, scheme: {type: rtn}}]
eval: [{type: perplexity, name: a, data: {path: x}}]
axes: [{key: quant.bits, name: bits, values: [4, 3]}]
targets:
  file: t.csv
  source: a paper
  axes: {bits: bits}
  metrics: {a: a/perplexity}
)";

TEST(LostTargetsTest, AReportOfFiguresThatAreGoneShowsTheRunsWithout) {
  const testing::TempFolder folder;
  folder.Write("t.csv", "bits,a\n4,5.1\n3,6.2\n");
  std::filesystem::create_directory(folder / "o");
  const std::string file = folder.Write("e.yaml", kPublished);
  folder.Write("o/experiment.yaml", LoadExperiment(file, {}).resolved);
  EXPECT_TRUE(GatherReport(folder / "o").experiment.targets.has_value());
  std::filesystem::remove(folder / "t.csv");
  const ReportData data = GatherReport(folder / "o");
  EXPECT_FALSE(data.experiment.targets.has_value());
  EXPECT_EQ(data.runs.size(), 2U);
  ASSERT_EQ(data.problems.size(), 1U);
  EXPECT_NE(data.problems[0].reason.find("targets.file: "), std::string::npos)
      << data.problems[0].reason;
}

}  // namespace
}  // namespace roundlab
