#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/experiments/program.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

using testing::ProgramResult;
using testing::RunProgram;
using testing::TempFolder;

/// A catalogue with one data set, whose rows have two texts.
class OwnCatalogueTest : public ::testing::Test {
 protected:
  OwnCatalogueTest() {
    testing::TinyModel().Write(folder_ / "m");
    std::filesystem::create_directory(folder_ / "data");
    folder_.Write("data/rows.jsonl", "{\"a\": \"" + testing::RandomText(400, 1) + "\", \"b\": \"" +
                                         testing::RandomText(400, 2) + "\"}\n");
    folder_.Write("c.yaml",
                  "model: m/\ncalibration: {data: own, protocol: plain, samples: 4, seqlen: 16}\n"
                  "quant: {bits: 3, group_size: 16}\n"
                  "pipeline: [{type: round, scheme: gptq}]\ncompute: {threads: 1}\n");
    ::setenv("ROUNDLAB_CONFIGS", folder_.path().c_str(), 1);
  }
  ~OwnCatalogueTest() override { ::unsetenv("ROUNDLAB_CONFIGS"); }
  /// The line that tells the calibration tokens' hash.
  std::string Calibration(const std::string& field, const std::string& bits) const {
    folder_.Write("catalogue.yaml",
                  "data:\n  - {name: own, split: train, licence: none, join: ' ', get: write it, "
                  "files: [{split: train, path: rows.jsonl, format: jsonl, field: " +
                      field + "}]}\nmodels: []\n");
    const ProgramResult run = RunProgram(
        folder_.path(), {"run", "c.yaml", "--out", "out", "--set", "quant.bits=" + bits});
    EXPECT_EQ(run.code, 0) << run.err;
    const std::size_t begin = run.err.find("calibration: ");
    return begin == std::string::npos ? run.err
                                      : run.err.substr(begin, run.err.find('\n', begin) - begin);
  }
  const TempFolder folder_;
};

TEST_F(OwnCatalogueTest, KeptCalibrationTokensAreOfTheFieldThatItNames) {
  const std::string of_a = Calibration("a", "3");
  EXPECT_NE(of_a.find("sha256"), std::string::npos) << of_a;
  EXPECT_EQ(Calibration("a", "4"), of_a);
  EXPECT_NE(Calibration("b", "5"), of_a);
}

TEST_F(OwnCatalogueTest, ACompleteRunOfAnotherTextOrModelIsTold) {
  Calibration("a", "3");
  const auto told = [&](const std::string& command) {
    std::vector<std::string> words = {command, "c.yaml", "--out", "out"};
    if (command == "report") {
      words = {"report", "out/" + std::filesystem::path(folder_.path()).filename().string() + "-c"};
    }
    return RunProgram(folder_.path(), words).err;
  };
  EXPECT_EQ(told("table"), "");
  const std::string rows = testing::ReadAll(folder_ / "data/rows.jsonl");
  folder_.Write("data/rows.jsonl", rows + rows);
  for (const char* command : {"table", "plan", "run", "report"}) {
    EXPECT_NE(told(command).find(" was made by another " + (folder_ / "data/rows.jsonl") + ": "),
              std::string::npos)
        << command << ": " << told(command);
  }
  folder_.Write("data/rows.jsonl", rows);
  EXPECT_EQ(told("table"), "");
  const std::string config = testing::ReadAll(folder_ / "m/config.json");
  folder_.Write("m/config.json", config + "\n");
  EXPECT_NE(told("table").find(" was made by another model m/: "), std::string::npos);
  folder_.Write("m/config.json", config);
  EXPECT_EQ(told("table"), "");
  testing::TinyModel{.nan = true}.Write(folder_ / "m");
  EXPECT_NE(told("table").find(" was made by another model m/: "), std::string::npos);
}

}  // namespace
}  // namespace roundlab
