#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/metrics/hdf5_file.h"
#include "tests/experiments/program.h"
#include "tests/experiments/run_folder.h"
#include "tests/support/tiny_model.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using Clock = std::chrono::steady_clock;
using testing::Datasets;
using testing::Program;
using testing::ProgramResult;
using testing::RandomText;
using testing::RunFolders;
using testing::RunJson;
using testing::RunProgram;
using testing::TempFolder;
using testing::TinyModel;
using testing::WaitUntil;

constexpr int kLayers = 5;

constexpr const char* kConfig = R"(model: m/
calibration: {data: {path: text.txt}, protocol: plain, samples: 32, seqlen: 64}
quant: {bits: 2, group_size: 16}
pipeline: [{type: round, scheme: {type: signround}, steps: 60, batch: 8}]
eval: [{type: perplexity, name: t, data: {path: text.txt}, seqlen: 64}]
threads: 1
)";

/// All that a run leaves and that must not depend on how often it was stopped.
struct Result {
  std::string codes;
  std::string metrics;
  std::map<std::string, std::string> datasets;
};

class ResumeTest : public ::testing::Test {
 protected:
  ResumeTest() {
    TinyModel{.layers = kLayers}.Write(folder_ / "m");
    folder_.Write("text.txt", RandomText(6000, 3));
    folder_.Write("c.yaml", kConfig);
  }

  std::vector<std::string> Words(const std::string& out) const {
    return {"run", "c.yaml", "--out", out, "--quiet"};
  }

  /// File of the unfinished run below `out`; "" before there is a run.
  std::string FileOf(const std::string& out, const std::string& name) const {
    const auto folders = RunFolders(folder_ / out);
    return folders.empty() ? "" : folders.front() + "/" + name;
  }
  bool Has(const std::string& out, const std::string& name) const {
    const std::string file = FileOf(out, name);
    return !file.empty() && fs::exists(file);
  }

  Result ResultOf(const std::string& out) const {
    const auto folders = RunFolders(folder_ / out);
    if (folders.size() != 1) throw Error("expected one run below " + out);
    const auto json = RunJson(folders.front());
    EXPECT_EQ(json.at("status"), "complete");
    EXPECT_FALSE(fs::exists(folders.front() + "/checkpoint"));
    return {json.at("codes_sha256"), json.at("metrics").dump(),
            Datasets(folders.front() + "/run.h5")};
  }

  void ExpectSame(const Result& result, const Result& undisturbed) const {
    EXPECT_EQ(result.codes, undisturbed.codes);
    EXPECT_EQ(result.metrics, undisturbed.metrics);
    ASSERT_EQ(result.datasets.size(), undisturbed.datasets.size());
    for (const auto& [name, bytes] : undisturbed.datasets) {
      const auto found = result.datasets.find(name);
      ASSERT_NE(found, result.datasets.end()) << name;
      EXPECT_TRUE(found->second == bytes) << name << " differs";
    }
  }

  /// Runs until `condition` holds and then `delay` longer; says whether the kill came in time.
  template <class Condition>
  bool RunAndKill(const std::string& out, const Condition& condition, Clock::duration delay) {
    Program program(folder_.path(), Words(out));
    if (!WaitUntil(&program, condition)) return false;
    const auto end = Clock::now() + delay;
    if (!WaitUntil(&program, [&] { return Clock::now() >= end; })) return false;
    program.Signal(SIGKILL);
    return program.Wait().code == -1;
  }

  const TempFolder folder_;
};

TEST_F(ResumeTest, KilledAtRandomMomentsItEndsWithTheSameBits) {
  const auto start = Clock::now();
  const ProgramResult plain = RunProgram(folder_.path(), Words("plain"));
  ASSERT_EQ(plain.code, 0) << plain.err;
  const auto whole = Clock::now() - start;
  const Result undisturbed = ResultOf("plain");
  EXPECT_EQ(undisturbed.datasets.size(), kLayers * (7U * 9 + 2U * 2 + 5) + 2);

  std::mt19937 random(20260117);
  const auto part_of = [&](Clock::duration duration) {
    return std::chrono::duration_cast<Clock::duration>(
        duration * (static_cast<double>(random() % 1000) / 1000));
  };
  // While it starts, while each unit is tuned, between the files that are written when a unit is
  // done, and after the last one.
  const auto kill_at = [&](int moment) {
    if (moment == 0) {
      return RunAndKill(
          "killed", [] { return true; }, part_of(whole / 6));
    }
    const int unit = (moment - 1) / 2;
    const std::string before = "checkpoint/record_" + std::to_string(unit - 1);
    if (unit == kLayers) return RunAndKill("killed", [&] { return Has("killed", before); }, {});
    if (moment % 2 == 0) {
      const std::string chains = "checkpoint/chains_" + std::to_string(unit);
      return RunAndKill("killed", [&] { return Has("killed", chains); }, {});
    }
    const std::string tuning = unit == 0 ? "checkpoint" : before;
    return RunAndKill(
        "killed", [&] { return Has("killed", tuning); }, part_of(whole / (kLayers + 2)));
  };
  constexpr int kMoments = 2 * kLayers + 2;
  int kills = 0;
  for (int attempt = 0; attempt < kMoments || (kills < 10 && attempt < 10 * kMoments); ++attempt) {
    if (kill_at(attempt % kMoments)) {
      ++kills;
      continue;
    }
    // It was faster than the kill: it has to be right, too, and the next one begins anew.
    ExpectSame(ResultOf("killed"), undisturbed);
    fs::remove_all(folder_ / "killed");
  }
  EXPECT_GE(kills, 10);

  const ProgramResult end = RunProgram(folder_.path(), Words("killed"));
  ASSERT_EQ(end.code, 0) << end.err;
  ExpectSame(ResultOf("killed"), undisturbed);
}

TEST_F(ResumeTest, KilledWithBiasesThatATransformKeepsItEndsWithTheSameBits) {
  TinyModel{.layers = kLayers, .biases = true}.Write(folder_ / "m");
  std::string config = kConfig;
  config.replace(config.find("pipeline: ["), 11, "pipeline: [awq_scale, ");
  folder_.Write("c.yaml", config);
  ASSERT_EQ(RunProgram(folder_.path(), Words("plain")).code, 0);
  EXPECT_TRUE(RunAndKill("killed", [&] { return Has("killed", "checkpoint/record_1"); }, {}));
  const ProgramResult end = RunProgram(folder_.path(), Words("killed"));
  ASSERT_EQ(end.code, 0) << end.err;
  ExpectSame(ResultOf("killed"), ResultOf("plain"));
}

TEST_F(ResumeTest, KilledWithItsHiddenStatesInAFileItEndsWithTheSameBits) {
  const std::string config =
      "model: m/\ncalibration: {data: {path: text.txt}, protocol: plain, samples: 80, seqlen: 64}\n"
      "quant: {bits: 2, group_size: 16}\nthreads: 1\n"
      "pipeline: [{type: round, scheme: signround, steps: 40, batch: 8}]\n";
  folder_.Write("c.yaml", config);
  ASSERT_EQ(RunProgram(folder_.path(), Words("plain")).code, 0);
  const ProgramResult plan = RunProgram(folder_.path(), {"plan", "c.yaml", "--json"});
  const double gib = nlohmann::json::parse(plan.out).at("runs").at(0).at("estimate").at("peak_gib");
  // With a spare one, so that there is room for a unit and half of its chains.
  const double chains = std::ldexp(2.0 * 80 * 64 * 32 * 4, -30);
  folder_.Write("c.yaml",
                config + "compute: {memory_limit: " + std::to_string(gib - chains) + "}\n");
  const auto next = [&] { return Has("file", "checkpoint/record_1"); };
  EXPECT_TRUE(RunAndKill("file", next, {}));
  const ProgramResult end = RunProgram(folder_.path(), Words("file"));
  ASSERT_EQ(end.code, 0) << end.err;
  ExpectSame(ResultOf("file"), ResultOf("plain"));
  const std::string log = testing::ReadAll(FileOf("file", "log.txt"));
  EXPECT_NE(log.find("hidden states of all samples: 0.00122 GiB in a file, since"),
            std::string::npos)
      << log;
  folder_.Write("c.yaml", config + "compute: {memory_limit: 0.1}\n");
  const ProgramResult refused = RunProgram(folder_.path(), Words("refused"));
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(
      refused.err.find(
          " GiB of memory, its hidden states not counted, and compute.memory_limit is 0.1000: set "
          "a larger one, a smaller batch or, with the same steps, a larger accumulate\n"),
      std::string::npos)
      << refused.err;
}

TEST_F(ResumeTest, CtrlCStopsWithCode130AndTheNextCallContinues) {
  ASSERT_EQ(RunProgram(folder_.path(), Words("plain")).code, 0);
  Program program(folder_.path(), Words("stopped"));
  ASSERT_TRUE(WaitUntil(&program, [&] { return Has("stopped", "checkpoint/record_1"); }));
  program.Signal(SIGINT);
  const ProgramResult stopped = program.Wait();
  EXPECT_EQ(stopped.code, 130);
  EXPECT_NE(stopped.err.find("interrupted; the same command continues it\n"), std::string::npos)
      << stopped.err;
  EXPECT_FALSE(Has("stopped", "run.json"));
  EXPECT_TRUE(Has("stopped", "checkpoint/record_1"));
  ASSERT_TRUE(Has("stopped", "spent.txt"));
  std::ofstream(FileOf("stopped", "spent.txt")) << "1000 2000 8e9 0\n";  // seconds, of CPU, bytes
  const ProgramResult end = RunProgram(folder_.path(), Words("stopped"));
  ASSERT_EQ(end.code, 0) << end.err;
  ExpectSame(ResultOf("stopped"), ResultOf("plain"));
  const auto cost = testing::RunJson(testing::RunFolders(folder_ / "stopped").front());
  EXPECT_GT(cost["timing"]["total"], 1000);
  EXPECT_GT(cost["timing"]["quantize"], 1000);
  EXPECT_GT(cost["timing"]["cpu"], 2000);
  EXPECT_EQ(cost["memory"]["peak_resident_bytes"], 8e9);
  EXPECT_FALSE(Has("stopped", "spent.txt"));
  const std::string log = testing::ReadAll(FileOf("stopped", "log.txt"));
  EXPECT_NE(log.find("continuing after "), std::string::npos) << log;
}

TEST_F(ResumeTest, ARunStopsWithItsRunnerAndTheNextOneGoesOnWhenItHas) {
  ASSERT_EQ(RunProgram(folder_.path(), Words("plain")).code, 0);
  Program first(folder_.path(), Words("out"));
  ASSERT_TRUE(WaitUntil(&first, [&] { return Has("out", "checkpoint/record_0"); }));
  ::kill(first.pid(), SIGKILL);  // the runner alone
  first.Wait();
  // The run holds the folder until it has stopped after its step; then the second one goes on.
  const ProgramResult second = RunProgram(folder_.path(), Words("out"));
  ASSERT_EQ(second.code, 0) << second.err;
  ExpectSame(ResultOf("out"), ResultOf("plain"));
  const std::string log = testing::ReadAll(FileOf("out", "log.txt"));
  EXPECT_NE(log.find("continuing after "), std::string::npos) << log;
}

TEST_F(ResumeTest, RunFileIsReadableWhileTheRunGoesOn) {
  Program program(folder_.path(), Words("out"));
  RunRecord::Series live;
  const auto has_samples = [&] {
    if (!Has("out", "checkpoint/record_1")) return false;
    try {
      live = ReadSeries(FileOf("out", "run.h5"), "tune/block_0/loss");
      return !live.steps.empty();
    } catch (const Error&) {
      return false;  // the file is just being replaced or grown
    }
  };
  ASSERT_TRUE(WaitUntil(&program, has_samples));
  EXPECT_EQ(ReadAttribute(FileOf("out", "run.h5"), "status"), "running");
  ASSERT_EQ(program.Wait().code, 0);
  const std::string file = FileOf("out", "run.h5");
  EXPECT_EQ(ReadAttribute(file, "status"), "complete");
  const auto whole = ReadSeries(file, "tune/block_0/loss");
  ASSERT_LE(live.steps.size(), whole.steps.size());
  for (std::size_t i = 0; i < live.steps.size(); ++i) {
    EXPECT_EQ(live.steps[i], whole.steps[i]);
    EXPECT_EQ(live.values[i], whole.values[i]);
  }
}

/// Process ids of the runs that a runner has started.
std::vector<pid_t> Children(pid_t runner) {
  const std::string name = std::to_string(runner);
  std::istringstream text(testing::ReadAll("/proc/" + name + "/task/" + name + "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; text >> child;) children.push_back(child);
  return children;
}

TEST_F(ResumeTest, AReaderOfTheRunFileStopsNobody) {
  ASSERT_EQ(RunProgram(folder_.path(), Words("plain")).code, 0);
  Program program(folder_.path(), Words("out"));
  ASSERT_TRUE(WaitUntil(&program, [&] { return Has("out", "checkpoint/record_1"); }));
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait().code, 130);
  EXPECT_EQ(ReadAttribute(FileOf("out", "run.h5"), "status"), "interrupted");
  // A notebook that has the file open: HDF5 locks it for reading.
  const int reader = ::open(FileOf("out", "run.h5").c_str(), O_RDONLY);
  ASSERT_EQ(::flock(reader, LOCK_SH | LOCK_NB), 0);
  const ProgramResult end = RunProgram(folder_.path(), Words("out"));
  EXPECT_EQ(end.code, 0) << end.err;
  ExpectSame(ResultOf("out"), ResultOf("plain"));
  ::close(reader);
}

TEST_F(ResumeTest, OfARunThatWasKilledTheRunFileIsMarkedAndOpensAsAnyOther) {
  Program program(folder_.path(), Words("out"));
  ASSERT_TRUE(WaitUntil(&program, [&] { return Has("out", "checkpoint/record_1"); }));
  const auto runs = Children(program.pid());
  ASSERT_EQ(runs.size(), 1U);
  ::kill(runs.front(), SIGKILL);
  const ProgramResult killed = program.Wait();
  EXPECT_EQ(killed.code, 1) << killed.err;
  const std::string file = FileOf("out", "run.h5");
  EXPECT_EQ(testing::ReadAll(file).at(11), 0);  // no writer, see hdf5_file_test
  EXPECT_EQ(ReadAttribute(file, "status"), "failed");
  EXPECT_FALSE(ReadSeries(file, "tune/block_0/loss").steps.empty());
}

TEST_F(ResumeTest, WithAnotherModelItRefusesAndWithItsOwnItGoesOn) {
  ASSERT_EQ(RunProgram(folder_.path(), Words("plain")).code, 0);
  Program program(folder_.path(), Words("out"));
  ASSERT_TRUE(WaitUntil(&program, [&] { return Has("out", "checkpoint/record_1"); }));
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait().code, 130);
  TinyModel{.layers = kLayers, .loud = 1.5F}.Write(folder_ / "m");
  const ProgramResult other = RunProgram(folder_.path(), Words("out"));
  EXPECT_EQ(other.code, 2) << other.err;
  EXPECT_NE(other.err.find("/checkpoint: was begun with something else: model_sha256 was "),
            std::string::npos)
      << other.err;
  EXPECT_NE(other.err.find(" to begin anew"), std::string::npos) << other.err;
  EXPECT_TRUE(Has("out", "checkpoint/record_1"));
  TinyModel{.layers = kLayers}.Write(folder_ / "m");
  auto words = Words("out");
  words.emplace_back("--retry-failed");
  const ProgramResult end = RunProgram(folder_.path(), words);
  ASSERT_EQ(end.code, 0) << end.err;
  ExpectSame(ResultOf("out"), ResultOf("plain"));
}

TEST_F(ResumeTest, WithAnotherNumberOfJobsItGoesOnWithTheThreadsItBeganWith) {
  folder_.Write("c.yaml", std::string(kConfig) + "seed: 1\n");
  std::string text = testing::ReadAll(folder_ / "c.yaml");
  text.replace(text.find("threads: 1"), 10, "threads: 4");
  folder_.Write("c.yaml", text);
  const auto with_jobs = [&](const std::string& out, const std::string& jobs) {
    auto words = Words(out);
    words.insert(words.end(), {"--jobs", jobs});
    return words;
  };
  ASSERT_EQ(RunProgram(folder_.path(), with_jobs("plain", "64")).code, 0);
  Program program(folder_.path(), with_jobs("out", "64"));
  ASSERT_TRUE(WaitUntil(&program, [&] { return Has("out", "checkpoint/record_1"); }));
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait().code, 130);
  const ProgramResult end = RunProgram(folder_.path(), with_jobs("out", "1"));
  ASSERT_EQ(end.code, 0) << end.err;
  ExpectSame(ResultOf("out"), ResultOf("plain"));
  EXPECT_EQ(RunJson(RunFolders(folder_ / "out").front()).at("provenance").at("threads"), "1");
}

TEST_F(ResumeTest, ACompleteRunIsNotDoneAgain) {
  ASSERT_EQ(RunProgram(folder_.path(), Words("out")).code, 0);
  const std::string file = FileOf("out", "run.json");
  const auto written = fs::last_write_time(file);
  fs::remove_all(folder_ / "m");  // not needed any more
  const ProgramResult again = RunProgram(folder_.path(), Words("out"));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.err, "");
  EXPECT_EQ(fs::last_write_time(file), written);
  EXPECT_NE(again.out.find("t/perplexity"), std::string::npos) << again.out;
}

}  // namespace
}  // namespace roundlab
