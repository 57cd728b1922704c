#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/metrics/hdf5_file.h"
#include "experiments/cli/commands.h"
#include "experiments/tables/compare.h"
#include "tests/core/formats/format_files.h"

namespace roundlab::testing {

/// What a run leaves, as far as it is compared.
struct WrittenRun {
  nlohmann::json summary = {{"id", "0123"},
                            {"status", "complete"},
                            {"config", "seed: 0\n"},
                            {"metrics", nlohmann::json({})},
                            {"provenance", nlohmann::json({})},
                            {"timing", nlohmann::json({})},
                            {"memory", nlohmann::json({})}};
  RunRecord record;

  void Add(const std::string& name, const std::vector<double>& values) {
    record.Array(name, {static_cast<std::int64_t>(values.size())}, values);
  }
  void Write(const std::string& folder) const {
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/run.json") << summary;
    WriteRunFile(folder + "/run.h5", record, {});
  }
};

class CompareTest : public ::testing::Test {
 protected:
  Comparison Compare(std::uint64_t seed = 0) const {
    a_.Write(folder_a_);
    b_.Write(folder_b_);
    return CompareRuns(folder_a_, folder_b_, {9999, seed});
  }
  std::string Error() const {
    return ErrorOf([&] { Compare(); });
  }
  /// What the command prints.
  std::string Printed(bool as_json) const {
    a_.Write(folder_a_);
    b_.Write(folder_b_);
    CommandLine line;
    line.command = "compare";
    line.arguments = {folder_a_, folder_b_};
    line.json = as_json;
    line.seed = 5;
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(CompareCommand(line), 0);
    return ::testing::internal::GetCapturedStdout();
  }
  /// The verdict on the one figure that there is.
  std::string VerdictOf(const std::vector<double>& correct_a,
                        const std::vector<double>& correct_b) {
    a_.record = b_.record = {};
    a_.Add("eval/t/correct", correct_a);
    b_.Add("eval/t/correct", correct_b);
    return Verdict(Compare().figures.at(0));
  }

  const TempFolder folder_;
  const std::string folder_a_ = folder_ / "a";
  const std::string folder_b_ = folder_ / "b";
  WrittenRun a_;
  WrittenRun b_;
};

inline void ExpectNear(const PairedResult& result, const PairedResult& expected) {
  const double tolerance = 1e-12 * std::max(1.0, std::fabs(expected.high));
  EXPECT_NEAR(result.difference, expected.difference, tolerance);
  EXPECT_NEAR(result.low, expected.low, tolerance);
  EXPECT_NEAR(result.high, expected.high, tolerance);
  EXPECT_NEAR(result.p, expected.p, tolerance);
}

}  // namespace roundlab::testing
