#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "tests/experiments/program.h"
#include "tests/experiments/run_folder.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::Program;
using testing::ProgramResult;
using testing::ReadAll;
using testing::RunFolders;
using testing::RunJson;
using testing::RunProgram;
using testing::TempFolder;
using testing::TinyModel;
using Words = std::vector<std::string>;

/// Six runs of half a second each; of two models, one of which can be broken.
constexpr const char* kSweep = R"(name: sweep
model: m/
calibration: {data: {path: text.txt}, protocol: plain, samples: 8, seqlen: 32}
quant: {bits: 2, group_size: 16}
pipeline: [{type: round, scheme: {type: signround}, steps: 10, batch: 4}]
eval: [{type: perplexity, name: t, data: {path: text.txt}, seqlen: 32}]
threads: 1
axes: [{key: model, name: model, values: [m/, n/]}]
seeds: [0, 1, 2]
tables: [{rows: model, value: t/perplexity}]
)";

class SweepTest : public ::testing::Test {
 protected:
  SweepTest() {
    TinyModel{}.Write(folder_ / "m");
    TinyModel{.layers = 1}.Write(folder_ / "n");
    folder_.Write("text.txt", testing::RandomText(4000, 3));
    folder_.Write("c.yaml", kSweep);
  }

  Words Run(const std::string& out, const Words& more = {}) const {
    Words words = {"run", "c.yaml", "--out", out, "--format", "csv"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// The table of perplexities: the first part of stdout, up to the overview with its costs.
  static std::string Table(const ProgramResult& run) {
    return run.out.substr(0, run.out.find("\n\n"));
  }

  static int Count(const std::string& text, const std::string& what) {
    int count = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at) ++count;
    return count;
  }

  /// Runs of "killed" that have begun to tune and not ended.
  int Unfinished() const {
    int count = 0;
    for (const std::string& run : RunFolders(folder_ / "killed")) {
      count += fs::exists(run + "/checkpoint/made_of.json") ? 1 : 0;
    }
    return count;
  }

  const TempFolder folder_;
};

TEST_F(SweepTest, TwoJobsAtATimeMakeTheSameTable) {
  const ProgramResult one = RunProgram(folder_.path(), Run("one"));
  ASSERT_EQ(one.code, 0) << one.err;
  const ProgramResult two = RunProgram(folder_.path(), Run("two", {"--jobs", "2"}));
  ASSERT_EQ(two.code, 0) << two.err;
  EXPECT_EQ(Table(one), Table(two));
  EXPECT_EQ(Count(two.err, "  complete in "), 6) << two.err;
}

TEST_F(SweepTest, TwoRunnersShareTheWorkAndBothEndWithAllOfIt) {
  Program first(folder_.path(), Run("shared"));
  const TempFolder elsewhere;  // its own stdout.txt and stderr.txt
  fs::create_symlink(folder_ / "m", elsewhere / "m");
  fs::create_symlink(folder_ / "n", elsewhere / "n");
  fs::create_symlink(folder_ / "text.txt", elsewhere / "text.txt");
  fs::create_symlink(folder_ / "c.yaml", elsewhere / "c.yaml");
  Program second(elsewhere.path(),
                 {"run", "c.yaml", "--out", folder_ / "shared", "--format", "csv"});
  const ProgramResult a = first.Wait();
  const ProgramResult b = second.Wait();
  ASSERT_EQ(a.code, 0) << a.err;
  ASSERT_EQ(b.code, 0) << b.err;
  EXPECT_EQ(Table(a), Table(b));
  const int by_first = Count(a.err, "complete in ");
  const int by_second = Count(b.err, "complete in ");
  EXPECT_GE(by_first, 1) << a.err;
  EXPECT_GE(by_second, 1) << b.err;
  EXPECT_EQ(by_first + by_second, 6);
  const auto folders = RunFolders(folder_ / "shared");
  ASSERT_EQ(folders.size(), 6U);
  for (const std::string& run : folders) {
    EXPECT_EQ(Count(ReadAll(run + "/log.txt"), "complete in "), 1) << run;
  }
}

TEST_F(SweepTest, AFailedRunIsKeptWithItsReasonUntilItIsToBeRetried) {
  TinyModel{.layers = 1, .nan = true}.Write(folder_ / "n");
  const ProgramResult first = RunProgram(folder_.path(), Run("out", {"--jobs", "2"}));
  EXPECT_EQ(first.code, 2);
  EXPECT_EQ(Count(Table(first), ",complete"), 1);
  EXPECT_EQ(Count(Table(first), ",failed"), 1);
  TinyModel{.layers = 1}.Write(folder_ / "n");
  const ProgramResult again = RunProgram(folder_.path(), Run("out"));
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("runs that had failed before: --retry-failed tries them again\n"),
            std::string::npos)
      << again.err;
  EXPECT_EQ(Table(again), Table(first));
  const ProgramResult retried = RunProgram(folder_.path(), Run("out", {"--retry-failed"}));
  EXPECT_EQ(retried.code, 0) << retried.err;
  EXPECT_EQ(Count(Table(retried), ",complete"), 2);
}

TEST_F(SweepTest, ARetryThatIsStoppedIsGoneOnWithWithoutAskingAgain) {
  TinyModel{.layers = 1, .nan = true}.Write(folder_ / "n");
  ASSERT_EQ(RunProgram(folder_.path(), Run("out")).code, 2);
  TinyModel{.layers = 1}.Write(folder_ / "n");
  const auto failed = [&] {
    int count = 0;
    for (const std::string& run : RunFolders(folder_ / "out")) {
      count += Count(ReadAll(run + "/run.json"), "\"failed\"");
    }
    return count;
  };
  ASSERT_EQ(failed(), 3);
  Program program(folder_.path(), Run("out", {"--retry-failed"}));
  ASSERT_TRUE(WaitUntil(&program, [&] { return failed() < 3; }));
  program.Signal(SIGKILL);
  program.Wait();
  const int left = failed();
  RunProgram(folder_.path(), Run("out"));
  EXPECT_EQ(failed(), left);
  int complete = 0;
  for (const std::string& run : RunFolders(folder_ / "out")) {
    complete += Count(ReadAll(run + "/run.json"), "\"complete\"");
  }
  EXPECT_EQ(complete, 6 - left);
}

TEST_F(SweepTest, ACorruptRunFileIsNamedSkippedAndLeftAsItIs) {
  ASSERT_EQ(RunProgram(folder_.path(), Run("out", {"--quiet"})).code, 0);
  const std::string victim = RunFolders(folder_ / "out").front() + "/run.json";
  std::ofstream(victim) << "{\"id\": ";
  const ProgramResult again = RunProgram(folder_.path(), Run("out", {"--quiet", "--retry-failed"}));
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("/run.json: not JSON: error at byte 8; remove "), std::string::npos)
      << again.err;
  EXPECT_EQ(Count(Table(again), ",2,"), 1) << again.out;  // n of the model with two runs left
  EXPECT_EQ(ReadAll(victim), "{\"id\": ");
}

TEST_F(SweepTest, StoppedOnceAllRunsStopAndTheSameCommandGoesOn) {
  Program program(folder_.path(), Run("out", {"--jobs", "2"}));
  ASSERT_TRUE(WaitUntil(&program, [&] { return !RunFolders(folder_ / "out").empty(); }));
  ::kill(program.pid(), SIGINT);  // the runner alone, as a service manager would
  const ProgramResult stopped = program.Wait();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  const ProgramResult rest = RunProgram(folder_.path(), Run("out"));
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(Count(Table(rest), ",3,"), 2) << rest.out;
}

TEST_F(SweepTest, KilledAtRandomMomentsItEndsWithTheUndisturbedTable) {
  const auto start = std::chrono::steady_clock::now();
  const ProgramResult plain = RunProgram(folder_.path(), Run("plain", {"--quiet"}));
  const auto whole = std::chrono::steady_clock::now() - start;
  ASSERT_EQ(plain.code, 0) << plain.err;
  std::mt19937 random(20261122);
  int in_work = 0;
  for (int kill = 0; kill < 6; ++kill) {
    Program program(folder_.path(), Run("killed", {"--quiet", "--jobs", "2"}));
    const auto end = std::chrono::steady_clock::now() +
                     whole / 8 * (0.2 + static_cast<double>(random() % 1000) / 1000);
    // The delay counts from when a run has begun to tune: how long starting takes is not known.
    const bool begun = WaitUntil(&program, [&] { return Unfinished() > 0; });
    if (begun) WaitUntil(&program, [&] { return std::chrono::steady_clock::now() >= end; });
    program.Signal(SIGKILL);
    if (program.Wait().code == -1 && Unfinished() > 0) ++in_work;
  }
  EXPECT_GE(in_work, 3);
  const ProgramResult rest = RunProgram(folder_.path(), Run("killed", {"--quiet"}));
  EXPECT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(Table(rest), Table(plain));
}

}  // namespace
}  // namespace roundlab
