#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/experiments/cli/bad_input.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::BadInputTest;
using testing::ProgramResult;
using testing::RandomText;
using testing::ReadAll;
using testing::RunProgram;

class ShellTest : public BadInputTest {
 protected:
  /// The program in the test's folder, as a shell starts it.
  std::string InShell() const {
    return "cd '" + folder_.path() + "' && '" + ROUNDLAB_PROGRAM + "' ";
  }
};

TEST_F(BadInputTest, ResultFolderOfAnotherConfig) {
  ASSERT_EQ(RunWith({}).code, 0);
  std::string config;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out")) {
    if (entry.path().filename() == "config.yaml") config = entry.path().string();
  }
  std::ofstream(config, std::ios::app) << "# touched\n";
  const std::string id = fs::path(config).parent_path().filename();
  const ProgramResult run = RunWith({});
  EXPECT_EQ(run.err, fs::relative(config, folder_.path()).string() +
                         ": this folder holds another config than run " + id +
                         "; remove the folder or choose another with --out\n");
  EXPECT_EQ(run.code, 2);
}

TEST_F(BadInputTest, ARunOfATextOrTaskThatHasChangedSinceIsTold) {
  folder_.Write("rows.jsonl", R"({"q": "a", "c": ["b", "d"], "g": 0})");
  folder_.Write("own.yaml",
                "data: {path: rows.jsonl}\nfields: {q: [q], c: [c], g: [g]}\ncontext: '{q}'\n"
                "choices: '{c}'\ngold: '{g}'\nmetrics: [acc]\n");
  const std::string with =
      "eval=[{type: perplexity, name: t, data: {path: text.txt}, seqlen: 16}, "
      "{type: zero_shot, tasks: [./own.yaml]}]";
  ASSERT_EQ(RunWith({with}).err, "");
  EXPECT_EQ(RunWith({with}).err, "");
  for (const char* file : {"text.txt", "own.yaml", "rows.jsonl"}) {
    const std::string before = ReadAll(folder_ / file);
    folder_.Write(file, before + "\n");
    const ProgramResult again = RunWith({with});
    EXPECT_EQ(again.code, 0);
    EXPECT_NE(again.err.find(std::string(" was made by another ") + (folder_ / file) +
                             ": remove its folder to make it again\n"),
              std::string::npos)
        << again.err;
    folder_.Write(file, before);
  }
}

TEST_F(ShellTest, WhatCanNotBeWrittenToStdoutIsAnError) {
  const std::string command = InShell() + "list > /dev/full 2> told.txt";
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_EQ(ReadAll(folder_ / "told.txt"),
            "what was to be told could not be written: No space left on device\n");
}

TEST_F(ShellTest, ClosedStreamsAndReadersThatHaveGoneSpoilNothing) {
  const std::string run = InShell() + "run c.yaml --out ";
  ASSERT_EQ(std::system((run + "a >&- 2>&- <&-").c_str()) % 256, 0);
  ASSERT_EQ(std::system((run + "b --quiet > b.txt").c_str()), 0);
  ASSERT_EQ(std::system(("{ " + run + "c 2>&1; } | head -c 1 > c.txt").c_str()), 0);
  ASSERT_EQ(std::system((run + "c --quiet > c.txt").c_str()), 0);  // goes on, not failed
  std::map<std::string, std::map<std::string, std::uintmax_t>> sizes;
  for (const char* out : {"a", "b"}) {
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / out)) {
      const std::string name = entry.path().filename();
      if (name == "lock" || name.starts_with("events")) sizes[out][name] = entry.file_size();
    }
  }
  EXPECT_EQ(sizes["a"], sizes["b"]);
}

TEST_F(BadInputTest, ANameThatIsMadeOfTheFilesIsCheckedToo) {
  fs::create_directory(folder_ / ".h");
  folder_.Write(".h/c.yaml", ReadAll(folder_ / "c.yaml"));
  const ProgramResult run = RunProgram(folder_.path(), {"validate", ".h/c.yaml"});
  EXPECT_EQ(run.err,
            ".h/c.yaml:1:1: name: '.h-c' can't be the name of a folder in --out: give the file a "
            "name of its own (name: ...)\n");
  EXPECT_EQ(run.code, 2);
}

TEST_F(BadInputTest, AnEmptyOut) {
  const ProgramResult run = RunProgram(folder_.path(), {"run", "c.yaml", "--out", ""});
  EXPECT_EQ(run.err, "command line: --out is empty; give a folder\n");
  EXPECT_EQ(run.code, 2);
}

TEST_F(BadInputTest, AnEmptyDevice) {
  const ProgramResult run = RunProgram(folder_.path(), {"run", "c.yaml", "--device", ""});
  EXPECT_EQ(run.err, "command line: --device is empty\n");
  EXPECT_EQ(run.code, 2);
}

TEST_F(BadInputTest, AGpuWithoutADriverIsToldBeforeAnyRun) {
  if (fs::exists("/proc/driver/nvidia")) GTEST_SKIP() << "this machine has a driver";
  ExpectRefused({"compute.device=cuda"},
                "--set compute.device=cuda: device cuda: no NVIDIA driver (libcuda.so.1 is not "
                "there); install it, or use "
                "device cpu");
}

TEST_F(BadInputTest, ADriverWithoutLibtorchsCudaPartIsTold) {
  if (::dlopen("libtorch_cuda.so", RTLD_LAZY) != nullptr) GTEST_SKIP() << "the CUDA part is here";
  // Any library stands for the driver: it is only opened.
  Dl_info of{};
  ASSERT_NE(::dladdr(reinterpret_cast<void*>(static_cast<double (*)(double)>(&std::cos)), &of), 0);
  fs::create_symlink(of.dli_fname, folder_ / "libcuda.so.1");
  const char* before = std::getenv("LD_LIBRARY_PATH");
  const std::string path = before == nullptr ? "" : before;
  ::setenv("LD_LIBRARY_PATH", (folder_.path() + ":" + path).c_str(), 1);
  const ProgramResult named = RunWith({"compute.device=cuda"});
  const ProgramResult any = RunWith({"compute.device=auto"});
  before == nullptr ? ::unsetenv("LD_LIBRARY_PATH") : ::setenv("LD_LIBRARY_PATH", path.c_str(), 1);
  EXPECT_EQ(
      named.err.find("--set compute.device=cuda: device cuda: libtorch has no CUDA part in /"), 0U)
      << named.err;
  EXPECT_EQ(named.code, 2);
  EXPECT_EQ(any.code, 0);
  std::string log;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out")) {
    if (entry.path().filename() == "log.txt") log = ReadAll(entry.path().string());
  }
  EXPECT_NE(log.find("computing on the CPU, though a GPU's driver is here: libtorch has no CUDA"),
            std::string::npos)
      << log;
}

TEST_F(BadInputTest, OutBelowARegularFile) {
  folder_.Write("out", "a file");
  const ProgramResult run = RunWith({});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err.find("out/"), 0U) << run.err;
  EXPECT_NE(run.err.find(": cannot make this folder: Not a directory\n"), std::string::npos)
      << run.err;
  EXPECT_EQ(ReadAll(folder_ / "out"), "a file");
}

TEST_F(BadInputTest, OutWithoutPermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  fs::create_directory(folder_ / "out");
  fs::permissions(folder_ / "out", fs::perms::owner_read | fs::perms::owner_exec);
  const ProgramResult run = RunWith({});
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find(": cannot make this folder: Permission denied\n"), std::string::npos)
      << run.err;
}

/// A disk of one megabyte at out/.
class FullDiskTest : public BadInputTest {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "out");
    mounted_ = ::mount("none", (folder_ / "out").c_str(), "tmpfs", 0, "size=1m") == 0;
    if (!mounted_) GTEST_SKIP() << "needs the right to mount a tmpfs of 1 MB";
  }
  void TearDown() override {
    if (mounted_) {
      EXPECT_EQ(::umount2((folder_ / "out").c_str(), MNT_DETACH), 0);
    }
  }
  bool mounted_ = false;
};

TEST_F(FullDiskTest, WhileTheChainsAreWritten) {
  folder_.Write("text.txt", RandomText(20000, 2));
  const ProgramResult run =
      RunWith({"calibration={data: {path: text.txt}, protocol: plain, samples: 128, seqlen: 64}",
               "pipeline.0={type: round, scheme: {type: signround}, steps: 2}"});
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("/checkpoint/chains_0: cannot write: No space left on device\n"),
            std::string::npos)
      << run.err;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out")) {
    EXPECT_NE(entry.path().extension(), ".part") << entry.path();
    EXPECT_EQ(entry.path().filename().string().find("chains"), std::string::npos) << entry.path();
  }
}

TEST_F(FullDiskTest, WhileItsMeasurementsAreWritten) {
  folder_.Write("text.txt", RandomText(20000, 2));
  for (const std::size_t left : {24U, 40U, 56U, 72U, 88U}) {
    std::ofstream(folder_ / "out/filler") << std::string((1024 - left) << 10, 'x');
    const ProgramResult run =
        RunWith({"calibration={data: {path: text.txt}, protocol: plain, samples: 8, seqlen: 64}",
                 "pipeline.0={type: round, scheme: {type: signround}, steps: 200}"});
    EXPECT_EQ(run.code, 2) << left << " KiB: " << run.err;
    EXPECT_NE(run.err.find("No space left on device\n"), std::string::npos) << run.err;
    fs::remove_all(folder_ / "out/filler");
    for (const auto& entry : fs::directory_iterator(folder_ / "out")) fs::remove_all(entry);
  }
}

TEST_F(FullDiskTest, BeforeTheRunStarts) {
  std::ofstream(folder_ / "out/filler") << std::string(std::size_t{1} << 20, 'x');
  const ProgramResult run = RunWith({});
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(run.err.find("/experiment.yaml: cannot write: No space left on device\n"),
            std::string::npos)
      << run.err;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out")) {
    EXPECT_TRUE(entry.is_directory() || entry.file_size() == 0 ||
                entry.path().filename() == "filler")
        << entry.path();
  }
}

TEST_F(BadInputTest, WithoutSlurmNothingIsWritten) {
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", folder_.path().c_str(), 1);
  const ProgramResult run =
      RunProgram(folder_.path(), {"run", "c.yaml", "--out", "out", "--engine", "slurm"});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(run.err,
            "command line: --engine slurm needs Slurm's command 'sbatch', which is not on PATH; "
            "--engine local runs on this machine\n");
  EXPECT_EQ(run.code, 2);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

}  // namespace
}  // namespace roundlab
