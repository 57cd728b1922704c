#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

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

}  // namespace
}  // namespace roundlab
