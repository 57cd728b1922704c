#include "core/metrics/hdf5_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>

#include "core/metrics/memory.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;

using testing::ErrorOf;
using testing::TempFolder;

/// Runs `run` and gives what it wrote to stderr: HDF5 prints its error stacks there.
template <class Run>
std::string Stderr(const Run& run) {
  ::testing::internal::CaptureStderr();
  run();
  return ::testing::internal::GetCapturedStderr();
}

/// Byte 11 of a file of HDF5's latest format, after the signature (8), version, and sizes of
/// offsets and lengths: its consistency flags. 0 once no writer has it open; with others only SWMR
/// opens it (HDF5 File Format Specification, II.A).
bool OpensPlainly(const std::string& path) { return testing::ReadAll(path).at(11) == 0; }

RunRecord Sample() {
  RunRecord record;
  for (int i = 0; i < 1500; ++i) record.Record("tune/block_0/loss", i, 1.0 / (i + 1));
  record.Record("tune/block_0/lr", 3, std::nan(""));
  record.Array("layers/x/histogram", {2, 3}, {1, -0.0, 3, 4, 5, 1e-310});
  record.Array("layers/x/nothing", {0}, {});
  return record;
}

TEST(RunFileTest, WhatIsWrittenReadsBackBitForBit) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  const std::string text = "a: \"x\"\nb: [1, 2]\n\xc3\xa4";
  WriteRunFile(file, Sample(), {{"status", "complete"}, {"config", text}, {"empty", ""}});
  const auto loss = ReadSeries(file, "tune/block_0/loss");
  ASSERT_EQ(loss.steps.size(), 1500U);
  for (int i = 0; i < 1500; ++i) {
    EXPECT_EQ(loss.steps[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(loss.values[static_cast<std::size_t>(i)], 1.0 / (i + 1));
  }
  EXPECT_TRUE(std::isnan(ReadSeries(file, "tune/block_0/lr").values.at(0)));
  const auto histogram = ReadArray(file, "layers/x/histogram");
  EXPECT_EQ(histogram.shape, (std::vector<std::int64_t>{2, 3}));
  ASSERT_EQ(histogram.values.size(), 6U);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(histogram.values[1]), std::uint64_t{1} << 63);
  EXPECT_EQ(histogram.values[5], 1e-310);
  EXPECT_TRUE(ReadArray(file, "layers/x/nothing").values.empty());
  EXPECT_EQ(ReadAttribute(file, "status"), "complete");
  EXPECT_EQ(ReadAttribute(file, "config"), text);
  EXPECT_EQ(ReadAttribute(file, "empty"), "");
  EXPECT_FALSE(fs::exists(file + ".part"));
}

TEST(RunFileTest, AWholeRecordReadsBackInOneGo) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  RunRecord record = Sample();
  record.Array("top", {1}, {7});
  record.Array("eval/t/step", {2}, {1, 2});  // an array, for there is no value beside it
  WriteRunFile(file, record, {});
  const auto read = [&](const std::string& beginning) {
    return ReadRunFile(file, [&](const std::string& name) { return name.rfind(beginning, 0) == 0; })
        .Serialize();
  };
  EXPECT_EQ(read(""), record.Serialize());
  EXPECT_EQ(read("tune/"), record.Under("tune/").Serialize());
  EXPECT_EQ(read("none"), RunRecord().Serialize());
  const auto all = [](const std::string&) { return true; };
  EXPECT_EQ(ErrorOf([&] { ReadRunFile(folder / "none.h5", all); }).rfind("hdf5: open ", 0), 0U);
}

TEST(RunFileTest, NamesOfAllDatasetsInOrder) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  RunRecord record = Sample();
  const std::string long_name(300, 'n');
  record.Array("eval/" + long_name + "/nll", {1}, {0.5});
  WriteRunFile(file, record, {});
  EXPECT_EQ(DatasetNames(file),
            (std::vector<std::string>{"eval/" + long_name + "/nll", "layers/x/histogram",
                                      "layers/x/nothing", "tune/block_0/loss/step",
                                      "tune/block_0/loss/value", "tune/block_0/lr/step",
                                      "tune/block_0/lr/value"}));
  WriteRunFile(file, {}, {});
  EXPECT_TRUE(DatasetNames(file).empty());
}

TEST(RunFileTest, ALongAttributeSurvives) {
  const TempFolder folder;
  const std::string text(200'000, 'c');  // beyond the 64 KB of the old format
  WriteRunFile(folder / "run.h5", {}, {{"config", text}});
  EXPECT_EQ(ReadAttribute(folder / "run.h5", "config"), text);
}

TEST(RunFileTest, ErrorsNameTheFileAndLeaveWhatWasThereAndAreSilent) {
  const TempFolder folder;
  const std::string taken = folder.Write("taken", "x");
  const std::string file = folder / "run.h5";
  WriteRunFile(file, Sample(), {{"status", "complete"}});
  const std::string printed = Stderr([&] {
    const std::string below = taken + "/run.h5";
    const std::string error = ErrorOf([&] { WriteRunFile(below, Sample(), {}); });
    EXPECT_EQ(error, below + ": cannot write: Not a directory");
    EXPECT_NE(ErrorOf([&] { LiveRunFile(below, {}, {}); }), "");
    EXPECT_NE(ErrorOf([&] { ReadSeries(folder / "none.h5", "a"); }), "");
    EXPECT_NE(ErrorOf([&] { ReadSeries(taken, "a"); }), "");
    EXPECT_NE(ErrorOf([&] { ReadSeries(file, "tune/block_1/loss"); }), "");
    EXPECT_NE(ErrorOf([&] { ReadArray(file, "layers/y"); }), "");
    EXPECT_NE(ErrorOf([&] { ReadAttribute(file, "none"); }), "");
    EXPECT_NE(ErrorOf([&] { DatasetNames(taken); }), "");
  });
  EXPECT_EQ(printed, "");
  EXPECT_EQ(testing::ReadAll(taken), "x");
  EXPECT_EQ(ReadAttribute(file, "status"), "complete");
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) files += entry.is_regular_file();
  EXPECT_EQ(files, 2);
}

TEST(LiveRunFileTest, IsReadableWhileOpenAndSaysThatItRuns) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  const std::string printed = Stderr([&] {
    LiveRunFile live(file, {"tune/a/loss", "tune/a/lr"}, {{"seed", "7"}, {"status", "complete"}});
    EXPECT_EQ(ReadAttribute(file, "status"), "running");
    EXPECT_EQ(ReadAttribute(file, "seed"), "7");
    EXPECT_TRUE(ReadSeries(file, "tune/a/loss").steps.empty());
    for (int i = 0; i < 700; ++i) live.Record("tune/a/loss", i, 0.5 * i);
    live.Record("tune/unknown", 0, 1);  // waits for the finished file
    live.Flush();
    const auto first = ReadSeries(file, "tune/a/loss");
    ASSERT_EQ(first.steps.size(), 700U);
    EXPECT_EQ(first.steps.back(), 699);
    EXPECT_EQ(first.values.back(), 349.5);
    live.Record("tune/a/loss", 700, -1);
    live.Flush();
    EXPECT_EQ(ReadSeries(file, "tune/a/loss").values.back(), -1);
    EXPECT_TRUE(ReadSeries(file, "tune/a/lr").steps.empty());
  });
  EXPECT_EQ(printed, "");
  // A run that ended here never got its finished file: it stays marked as running.
  EXPECT_EQ(ReadAttribute(file, "status"), "running");
}

TEST(LiveRunFileTest, KeepsTheLastSamplesOfARunThatFails) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  try {
    LiveRunFile live(file, {"tune/block_0/loss"}, {});
    live.Record("tune/block_0/loss", 0, 1);
    live.Record("tune/block_0/loss", 1, std::nan(""));
    throw Error("loss nan at step 1");
  } catch (const Error&) {
  }
  EXPECT_EQ(ReadSeries(file, "tune/block_0/loss").steps, (std::vector<std::int64_t>{0, 1}));
}

TEST(LiveRunFileTest, IsReplacedByTheFinishedFile) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  { LiveRunFile live(file, {"tune/block_0/loss"}, {}); }
  WriteRunFile(file, Sample(), {{"status", "complete"}});
  EXPECT_EQ(ReadAttribute(file, "status"), "complete");
  EXPECT_EQ(ReadSeries(file, "tune/block_0/loss").steps.size(), 1500U);
}

/// How long a file is readable that another process has open: it gets what it asks for and keeps
/// it.
class OpenReader {
 public:
  explicit OpenReader(const std::string& path) : file_(::open(path.c_str(), O_RDONLY)) {
    // As HDF5 itself does for readers.
    EXPECT_EQ(::flock(file_, LOCK_SH | LOCK_NB), 0);
  }
  ~OpenReader() { ::close(file_); }
  std::string Contents() const {
    std::string bytes(static_cast<std::size_t>(::lseek(file_, 0, SEEK_END)), ' ');
    EXPECT_EQ(::pread(file_, bytes.data(), bytes.size(), 0), std::ssize(bytes));
    return bytes;
  }

 private:
  const int file_;
};

TEST(LiveRunFileTest, AReaderOfTheOldFileStopsNobodyAndKeepsIt) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  WriteRunFile(file, Sample(), {{"status", "complete"}});
  const OpenReader reader(file);
  const std::string before = reader.Contents();
  { LiveRunFile live(file, {"tune/block_0/loss"}, {}); }
  EXPECT_EQ(ReadAttribute(file, "status"), "running");
  WriteRunFile(file, Sample(), {{"status", "complete"}});
  EXPECT_TRUE(reader.Contents() == before);
}

TEST(MarkRunFileTest, AFileWhoseWriterWasKilledOpensAsAnyOtherAndSaysWhatBecameOfIt) {
  const TempFolder folder;
  const std::string file = folder / "run.h5";
  const pid_t writer = ::fork();
  if (writer == 0) {
    LiveRunFile live(file, {"tune/block_0/loss"}, {{"seed", "7"}});
    live.Record("tune/block_0/loss", 3, 0.5);
    live.Flush();
    ::raise(SIGKILL);
  }
  ::waitpid(writer, nullptr, 0);
  EXPECT_FALSE(OpensPlainly(file));
  MarkRunFile(file, "failed");
  EXPECT_TRUE(OpensPlainly(file));
  EXPECT_EQ(ReadAttribute(file, "status"), "failed");
  EXPECT_EQ(ReadAttribute(file, "seed"), "7");
  EXPECT_EQ(ReadSeries(file, "tune/block_0/loss").steps, std::vector<std::int64_t>{3});
}

TEST(ProvenanceTest, SaysWhatBuiltItAndWhereItRan) {
  const Provenance machine = BuildAndMachine();
  for (const char* key : {"compiler", "cpu", "cores", "system"}) {
    ASSERT_EQ(machine.count(key), 1U) << key;
    EXPECT_NE(machine.at(key), "") << key;
  }
  EXPECT_GE(std::stoi(machine.at("cores")), 1);
  EXPECT_EQ(TimeNow().size(), std::string("2026-01-31T12:00:00+0100").size());
}

TEST(MemoryTest, SomeIsAvailableAndNotMoreThanThereIs) {
  EXPECT_GT(AvailableBytes(), 0);
  EXPECT_LE(AvailableBytes(), std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE));
}

TEST(MemoryTest, ThePeakGrowsByWhatIsTouched) {
  const std::int64_t before = PeakResidentBytes();
  const std::size_t size = static_cast<std::size_t>(before) + (std::size_t{64} << 20);
  std::vector<char> block(size, 'x');
  EXPECT_GE(PeakResidentBytes(), static_cast<std::int64_t>(block.size()));
  EXPECT_GT(CpuSeconds(), 0);
}

}  // namespace
}  // namespace roundlab
