#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/experiments/program.h"
#include "tests/support/tiny_model.h"

namespace roundlab::testing {

namespace fs = std::filesystem;

inline constexpr const char* kBadInputConfig = R"(model: m/
calibration: {data: {path: text.txt}, protocol: plain, samples: 4, seqlen: 16}
quant: {bits: 3, group_size: 16}
pipeline: [{type: round, scheme: {type: rtn}}]
eval: [{type: perplexity, name: t, data: {path: text.txt}, seqlen: 16, windows: 4}]
threads: 1
)";

/// A folder with a good model m/, text.txt and c.yaml, to be spoilt.
class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() {
    TinyModel().Write(folder_ / "m");
    folder_.Write("text.txt", RandomText(400, 1));
    folder_.Write("c.yaml", kBadInputConfig);
  }

  ProgramResult RunWith(const std::vector<std::string>& set) const {
    std::vector<std::string> words = {"run", "c.yaml", "--out", "out", "--quiet"};
    for (const std::string& assignment : set) {
      words.insert(words.end(), {"--set", assignment});
    }
    return RunProgram(folder_.path(), words);
  }

  /// The program says `error` and stops with 2 before it makes --out; so does `validate`.
  void ExpectRefused(const std::vector<std::string>& set, const std::string& error) const {
    const ProgramResult run = RunWith(set);
    EXPECT_EQ(run.err, error + "\n");
    EXPECT_EQ(run.code, 2);
    EXPECT_EQ(run.out, "");
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }

  /// What only a run can find out: exit code 2, the reason in run.json, and no half-written file.
  void ExpectFailedRun(const std::vector<std::string>& set, const std::string& reason) const {
    const ProgramResult run = RunWith(set);
    EXPECT_EQ(run.code, 2);
    const auto colon = run.err.find(" failed: ");
    ASSERT_NE(colon, std::string::npos) << run.err;
    EXPECT_EQ(run.err.substr(colon), " failed: " + reason + "\n");
    int results = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out")) {
      const std::string name = entry.path().filename().string();
      EXPECT_NE(entry.path().extension(), ".part") << entry.path();
      if (name != "run.json") continue;
      ++results;
      EXPECT_NE(ReadAll(entry.path()).find("\"status\": \"failed\""), std::string::npos);
    }
    EXPECT_EQ(results, 1);
  }

  const TempFolder folder_;
};

}  // namespace roundlab::testing
