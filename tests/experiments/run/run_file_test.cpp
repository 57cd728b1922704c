#include "experiments/run/run_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using nlohmann::json;
using testing::ErrorOf;
using testing::TempFolder;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class RunResultTest : public ::testing::Test {
 protected:
  json Written() const { return json::parse(ReadFile(file_)); }
  const TempFolder folder_;
  const std::string file_ = folder_ / "run.json";
};

TEST_F(RunResultTest, NumbersThatAreNotFiniteAreTextsAndReadBack) {
  RunResult result;
  result.status = "complete";
  result.metrics = {{"a", std::nan("")}, {"b", kInfinity}, {"c", -kInfinity}, {"d", 0.1}};
  WriteRunResult(file_, result);
  EXPECT_EQ(Written().at("metrics"), json({{"a", "nan"}, {"b", "inf"}, {"c", "-inf"}, {"d", 0.1}}));
  const RunResult read = ReadRunResult(file_);
  EXPECT_TRUE(std::isnan(*read.Value("a")));
  EXPECT_EQ(read.Value("b"), kInfinity);
  EXPECT_EQ(read.Value("c"), -kInfinity);
  EXPECT_EQ(read.Value("d"), 0.1);
}

TEST_F(RunResultTest, WhatIsNullWasNotMeasuredAndOtherTextsAreNoNumbers) {
  WriteRunResult(file_, {});
  json root = Written();
  root["metrics"] = {{"t/stderr", nullptr}, {"t/perplexity", 7}};
  WriteFileAtomically(file_, root.dump());
  EXPECT_FALSE(ReadRunResult(file_).Value("t/stderr"));
  EXPECT_EQ(ReadRunResult(file_).Value("t/perplexity"), 7);
  root["metrics"]["t/perplexity"] = "NaN";
  WriteFileAtomically(file_, root.dump());
  EXPECT_EQ(ErrorOf([&] { ReadRunResult(file_); }),
            file_ +
                ": not a run result: metrics.t/perplexity: expected a number, nan, inf or "
                "-inf, got \"NaN\"");
}

}  // namespace
}  // namespace roundlab
