#include "experiments/run/slurm_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "experiments/run/slurm_client.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using testing::ErrorOf;
using testing::ReadAll;
using testing::TempFolder;

constexpr const char* kTwoRuns = R"(name: two
model: m/
eval: [{type: perplexity, name: t, data: {path: text.txt}, seqlen: 32}]
axes: [{name: threads, zip: {compute.threads: [1, 3], eval.0.seqlen: [32, 16]}, labels: [1, 3]}]
)";

/// PATH with commands of Slurm that are scripts of the test; folders of its own.
class SlurmTest : public ::testing::Test {
 protected:
  SlurmTest() : path_(std::getenv("PATH")) {
    fs::create_directory(folder_ / "bin");
    ::setenv("PATH", (folder_ / "bin" + ":/usr/bin:/bin").c_str(), 1);
    experiment_ = LoadExperiment(folder_.Write("two.yaml", kTwoRuns), {});
    options_.program = "/opt/roundlab";
    options_.out = folder_ / "out";
    options_.quiet = true;
    slurm_.pause = std::chrono::milliseconds(1);
    slurm_.patience = std::chrono::milliseconds(0);
    Command("sbatch", "printf '%s\\n' \"$@\" call >>" + folder_ / "sbatch.txt" + "; echo 42");
    Command("squeue", "true");
    Command("scancel", "echo \"$@\" >>" + folder_ / "scancel.txt");
    Command("sacct", "echo accounting is off >&2; exit 1");
  }
  ~SlurmTest() override { ::setenv("PATH", path_.c_str(), 1); }

  void Command(const std::string& name, const std::string& script) const {
    const std::string file = folder_.Write("bin/" + name, "#!/bin/sh\n" + script + "\n");
    ::chmod(file.c_str(), 0755);
  }

  /// squeue does the n-th of these when it is asked for the n-th time, then the last for ever.
  void Queue(const std::vector<std::string>& scripts) const {
    for (std::size_t i = 0; i < scripts.size(); ++i) {
      folder_.Write("queue" + std::to_string(i), scripts[i]);
    }
    folder_.Write("queue_next", "0");
    Command("squeue", "cd " + folder_.path() +
                          "; n=$(cat queue_next); sh ./queue$n; code=$?\n[ -e queue$((n + 1)) ] && "
                          "echo $((n + 1)) >queue_next\nexit $code");
  }

  std::string Run(std::size_t i) const {
    return RunFolder(options_.out, experiment_, experiment_.runs[i].id);
  }
  std::string Slurm(const std::string& name) const { return folder_ / "out/two/slurm/" + name; }

  /// A shell's command that leaves a result of a run as its task would.
  std::string Leave(std::size_t i, const std::string& status) const {
    RunResult result;
    result.id = experiment_.runs[i].id;
    result.status = status;
    result.reason = status == "failed" ? "NaN in layer 1" : "";
    const std::string file = folder_ / "result" + std::to_string(i) + status;
    WriteRunResult(file, result);
    return "cp " + file + " " + Run(i) + "/run.json\n";
  }

  std::vector<RunOutcome> RunAll() const { return RunAllOnSlurm(experiment_, options_, slurm_); }

  std::size_t Submitted() const {
    const std::string calls = ReadAll(folder_ / "sbatch.txt");
    std::size_t count = 0;
    for (std::size_t at = 0; (at = calls.find("call\n", at)) != std::string::npos; ++at) ++count;
    return count;
  }

  const TempFolder folder_;
  Experiment experiment_;
  RunnerOptions options_;
  SlurmOptions slurm_;

 private:
  std::string path_;
};

TEST(SlurmScriptTest, QuotesPaths) {
  RunnerOptions options;
  options.program = "/opt/it's here/roundlab";
  EXPECT_EQ(SlurmScript("/data/my runs/slurm", options),
            "#!/bin/sh\n"
            "# Written by roundlab: a task of a job array does the run in its line of runs.txt.\n"
            "exec '/opt/it'\\''s here/roundlab' slurm-task '/data/my runs/slurm' "
            "\"$SLURM_ARRAY_TASK_ID\"\n");
  options.retry_failed = true;
  const std::string retrying = SlurmScript("/data", options);
  EXPECT_EQ(retrying.substr(retrying.rfind('"')), "\" --retry-failed\n");
  options.memory_bytes = std::int64_t{3} << 29;
  const std::string bounded = SlurmScript("/data", options);
  EXPECT_EQ(bounded.substr(bounded.rfind('"')), "\" --retry-failed --max-memory 1.500000000\n");
}

TEST(SlurmWordsTest, TheArrayComesLastAndPercentSignsAreDoubled) {
  SlurmOptions slurm;
  slurm.words = {"--partition=long", "--mem=8G"};
  EXPECT_THAT(SlurmWords("/a 100%/slurm", "sweep", 7, {4, false}, slurm),
              ElementsAre("--job-name=sweep", "--requeue", "--ntasks=1", "--cpus-per-task=4",
                          "--partition=long", "--mem=8G", "--output=/a 100%%/slurm/%A_%a.log",
                          "--open-mode=append", "--array=0-6", "/a 100%/slurm/job.sh"));
  slurm.jobs = 3;
  EXPECT_EQ(SlurmWords("/a", "s", 1, {}, slurm)[8], "--array=0-0%3");
  slurm.words = {"--gres=gpu:a100:1"};  // the later of two counts for sbatch
  const auto gpu = SlurmWords("/a", "s", 1, {1, true}, slurm);
  EXPECT_EQ(gpu[4], "--gres=gpu:1");
  EXPECT_EQ(gpu[5], "--gres=gpu:a100:1");
}

TEST(SlurmOptionsTest, AreSplitAtSpacesAndChecked) {
  EXPECT_THAT(SplitSlurmOptions("  --time=60 -p  gpu "), ElementsAre("--time=60", "-p", "gpu"));
  EXPECT_EQ(ErrorOf([] { SplitSlurmOptions("  "); }),
            "command line: --slurm-options '  ': no options; for example '--partition=NAME "
            "--time=60'");
  EXPECT_EQ(ErrorOf([] { SplitSlurmOptions("gpu"); }),
            "command line: --slurm-options 'gpu': 'gpu' is not an option; they begin with '-'");
  EXPECT_EQ(
      ErrorOf([] { SplitSlurmOptions("-p x --array=0-3"); }),
      "command line: --slurm-options '-p x --array=0-3': '--array' is not allowed, the engine "
      "sets it or can't do with it");
  EXPECT_EQ(ErrorOf([] { SplitSlurmOptions("-a0-3"); }),
            "command line: --slurm-options '-a0-3': '-a' is not allowed, the engine sets it or "
            "can't do with it");
}

TEST_F(SlurmTest, IsAskedForByName) {
  fs::remove(folder_ / "bin/squeue");
  ::setenv("PATH", (folder_ / "bin").c_str(), 1);
  EXPECT_EQ(ErrorOf(RequireSlurm),
            "command line: --engine slurm needs Slurm's command 'squeue', which is not on PATH; "
            "--engine local runs on this machine");
  Command("squeue", "true");
  EXPECT_EQ(ErrorOf(RequireSlurm), "");
}

TEST_F(SlurmTest, AnArrayDoesAllRuns) {
  Queue({"echo '0|PENDING|Resources'; echo '1|PENDING|Resources'",
         "echo '0|RUNNING|None'; echo '1|PENDING|Resources'",
         Leave(0, "complete") + "echo '0|COMPLETED|None'; echo '1|RUNNING|None'",
         Leave(1, "failed") + "echo '0|COMPLETED|None'; echo '1|FAILED|NonZeroExitCode'"});
  const auto outcomes = RunAll();
  ASSERT_EQ(outcomes.size(), 2U);
  EXPECT_EQ(outcomes[0].state, RunState::kDone);
  EXPECT_EQ(outcomes[1].state, RunState::kFailed);
  EXPECT_EQ(outcomes[1].reason, "NaN in layer 1");
  EXPECT_FALSE(outcomes[1].cached);
  EXPECT_EQ(ReadAll(Slurm("runs.txt")),
            experiment_.runs[0].id + "\n" + experiment_.runs[1].id + "\n");
  EXPECT_EQ(ReadAll(folder_ / "sbatch.txt"),
            "--parsable\n--job-name=two\n--requeue\n--ntasks=1\n--cpus-per-task=3\n--output=" +
                Slurm("%A_%a.log") + "\n--open-mode=append\n--array=0-1\n" + Slurm("job.sh") +
                "\ncall\n");
  EXPECT_EQ(ReadAll(Slurm("job.sh")), SlurmScript(folder_ / "out/two/slurm", options_));
  EXPECT_EQ(ReadAll(Run(1) + "/config.yaml"), experiment_.runs[1].config.Canonical());
  EXPECT_EQ(ReadAll(Run(0) + "/compute.yaml"), "threads: 1\n");
  EXPECT_EQ(ReadAll(Run(1) + "/compute.yaml"), "threads: 3\n");
  EXPECT_EQ(ReadAll(folder_ / "out/two/experiment.yaml"), experiment_.resolved);
  Queue({"exit 1"});
  EXPECT_EQ(RunAll()[0].state, RunState::kDone);
  EXPECT_EQ(Submitted(), 1U) << "all was done";
}

TEST_F(SlurmTest, WhatSbatchComplainsOfIsTheError) {
  Command("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1");
  EXPECT_EQ(ErrorOf([&] { RunAll(); }), "sbatch: error: invalid partition specified: x");
  Command("sbatch", "exit 3");
  EXPECT_EQ(ErrorOf([&] { RunAll(); }), "sbatch: exit code 3");
  Command("sbatch", "echo no number");
  EXPECT_EQ(ErrorOf([&] { RunAll(); }), "sbatch: expected the number of a job, got 'no number'");
}

TEST_F(SlurmTest, ATaskWithoutAResultIsAFailedRun) {
  Queue({Leave(0, "complete") + "echo '1|TIMEOUT|TimeLimit'"});
  const auto outcomes = RunAll();
  const std::string reason =
      "Slurm task 42_1 ended without a result, as TIMEOUT (TimeLimit); its output: " +
      Slurm("42_1.log");
  EXPECT_EQ(outcomes[1].state, RunState::kFailed);
  EXPECT_EQ(outcomes[1].reason, reason);
  EXPECT_EQ(ReadRunResult(Run(1) + "/run.json").reason, reason);
}

TEST_F(SlurmTest, WhatTheQueueForgotIsInTheAccounting) {
  Queue({Leave(0, "complete") +
         "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"});
  Command("sacct", "echo \"OUT_OF_MEMORY $*\"");
  EXPECT_EQ(
      RunAll()[1].reason,
      "Slurm task 42_1 ended without a result, as OUT_OF_MEMORY; its output: " + Slurm("42_1.log"));
}

TEST_F(SlurmTest, WhatNobodyKnowsIsAFailedRunToo) {
  Queue({Leave(0, "complete")});
  EXPECT_EQ(RunAll()[1].reason,
            "Slurm task 42_1 ended without a result; its output: " + Slurm("42_1.log"));
}

TEST_F(SlurmTest, AResultMayComeAfterTheTaskHasEnded) {
  slurm_.patience = std::chrono::minutes(1);
  Queue({"echo '0|COMPLETED|None'; echo '1|COMPLETED|None'", "echo '0|COMPLETED|None'",
         Leave(0, "complete") + Leave(1, "complete")});
  const auto outcomes = RunAll();
  EXPECT_EQ(outcomes[0].state, RunState::kDone);
  EXPECT_EQ(outcomes[1].state, RunState::kDone);
}

TEST_F(SlurmTest, ARequeuedTaskIsWaitedFor) {
  Queue({"echo '0|RUNNING|None'; echo '1|RUNNING|None'",
         "echo '0|PENDING|BeginTime'; echo '1|RUNNING|None'",
         Leave(0, "complete") + Leave(1, "complete")});
  EXPECT_EQ(RunAll()[0].state, RunState::kDone);
}

TEST_F(SlurmTest, ASilentControllerIsAskedAgain) {
  Queue({"echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1",
         Leave(0, "complete") + Leave(1, "complete")});
  EXPECT_EQ(RunAll()[1].state, RunState::kDone);
}

TEST_F(SlurmTest, ACancelledTaskIsNeitherFailedNorSubmittedAgain) {
  Queue({Leave(0, "complete") + "echo '1|CANCELLED|None'"});
  const auto outcomes = RunAll();
  EXPECT_EQ(outcomes[1].state, RunState::kInterrupted);
  EXPECT_EQ(outcomes[1].reason, "Slurm task 42_1 was cancelled");
  EXPECT_FALSE(fs::exists(Run(1) + "/run.json"));
  EXPECT_EQ(Submitted(), 1U);
}

TEST_F(SlurmTest, ATaskThatOthersAskedToStopIsSubmittedAgainOnce) {
  const std::string stopped = "touch '" + Slurm("1.stopped") + "'; echo '1|FAILED|NonZeroExitCode'";
  Queue({Leave(0, "complete") + stopped, Leave(1, "complete")});
  EXPECT_EQ(RunAll()[1].state, RunState::kDone);
  EXPECT_EQ(Submitted(), 2U);
  EXPECT_EQ(ReadAll(Slurm("runs.txt")), experiment_.runs[1].id + "\n");
}

TEST_F(SlurmTest, ATaskThatIsStoppedAgainAndAgainIsAFailedRun) {
  const std::string stopped = "touch '" + Slurm("0.stopped") + "'; echo '0|FAILED|NonZeroExitCode'";
  Queue({Leave(1, "complete") + stopped, stopped, stopped});
  EXPECT_EQ(RunAll()[0].reason,
            "Slurm task 42_0 ended without a result, as FAILED (NonZeroExitCode); its output: " +
                Slurm("42_0.log"));
  EXPECT_EQ(Submitted(), 2U);
}

TEST_F(SlurmTest, AnArrayThatIsStillThereIsWaitedForFirst) {
  fs::create_directories(folder_ / "out/two/slurm");
  fs::create_directories(Run(0));
  folder_.Write("out/two/slurm/job.txt", "41\n");
  folder_.Write("out/two/slurm/runs.txt", "feedfeedfeedfeed\n" + experiment_.runs[0].id + "\n");
  Queue({"echo '0|RUNNING|None'; echo '1|PENDING|Priority'",
         Leave(0, "complete") + "echo '0|RUNNING|None'", "echo '0|RUNNING|None'",
         "[ ! -e sbatch.txt ] || touch early", Leave(1, "complete")});
  const auto outcomes = RunAll();
  EXPECT_EQ(outcomes[0].state, RunState::kDone);
  EXPECT_EQ(outcomes[1].state, RunState::kDone);
  EXPECT_EQ(Submitted(), 1U);
  EXPECT_FALSE(fs::exists(folder_ / "early")) << "another run of that array was still there";
  EXPECT_EQ(ReadAll(Slurm("runs.txt")), experiment_.runs[1].id + "\n") << "the other was done";
  EXPECT_EQ(ReadAll(Slurm("job.txt")), "42\n");
}

TEST_F(SlurmTest, FailedRunsAreTriedAgainOnRequestOnly) {
  Queue({Leave(0, "complete") + Leave(1, "failed")});
  EXPECT_EQ(RunAll()[1].state, RunState::kFailed);
  EXPECT_TRUE(RunAll()[1].cached);
  EXPECT_EQ(Submitted(), 1U);
  options_.retry_failed = true;
  fs::last_write_time(Run(1) + "/run.json",
                      fs::file_time_type::clock::now() - std::chrono::seconds(1));
  Queue({"true", "echo '0|RUNNING|None'", Leave(1, "complete")});
  EXPECT_EQ(RunAll()[1].state, RunState::kDone);
  EXPECT_EQ(ReadAll(Slurm("runs.txt")), experiment_.runs[1].id + "\n");
}

TEST_F(SlurmTest, ATaskHasItsLine) {
  folder_.Write("runs.txt", "0123456789abcdef\n");
  EXPECT_EQ(ErrorOf([&] { RunSlurmTask(folder_.path(), 1, options_); }),
            folder_ / "runs.txt" + ": no line for task 1, there are 1");
}

}  // namespace
}  // namespace roundlab
