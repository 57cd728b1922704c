#include "experiments/plan/compute.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/plan/experiment.h"
#include "tests/core/formats/format_files.h"

namespace roundlab {
namespace {

using testing::ErrorOf;
using testing::ReadAll;
using testing::TempFolder;

/// A run whose file has these lines, too.
RunConfig RunWith(const std::string& lines) {
  std::vector<Diagnostic> diagnostics;
  RunConfig config = ReadRunConfig(ParseYaml("model: m/\n" + lines, "c.yaml"), {}, &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return config;
}

TEST(ComputeTest, IsNotWhatARunIs) {
  for (const char* lines :
       {"compute: {device: cpu}", "compute: {threads: 7}", "compute: {memory_limit: 3}",
        "compute: {keep_weights: false}", "threads: 7", "keep_weights: false"}) {
    EXPECT_EQ(RunWith(lines).Id(), RunWith("").Id()) << lines;
    EXPECT_EQ(RunWith(lines).Canonical(), "model:\n  path: m/\n") << lines;
  }
}

TEST(ComputeTest, KeysThatFilesHadAtTheTop) {
  EXPECT_EQ(RunWith("threads: 5").compute.threads, 5);
  EXPECT_TRUE(RunWith("").compute.keep_weights);
  EXPECT_FALSE(RunWith("keep_weights: false").compute.keep_weights);
  EXPECT_FALSE(RunWith("compute: {keep_weights: false}").compute.keep_weights);
  const RunConfig both = RunWith("threads: 5\nkeep_weights: false\ncompute: {device: cpu}");
  EXPECT_EQ(both.compute.threads, 5);
  EXPECT_FALSE(both.compute.keep_weights);
  EXPECT_EQ(DeviceText(both.compute.device), "cpu");
  EXPECT_EQ(ErrorOf([] { RunWith("threads: 5\ncompute: {threads: 4}"); }),
            "c.yaml:2:10: threads: is compute.threads, which is there too: leave this one out");
  EXPECT_EQ(ErrorOf([] { RunWith("keep_weights: true\ncompute: {keep_weights: true}"); }),
            "c.yaml:2:15: keep_weights: is compute.keep_weights, which is there too: leave this "
            "one out");
}

TEST(ComputeTest, DevicesAreNamedAndNotLookedForYet) {
  for (const char* device : {"auto", "cpu", "cuda", "cuda:1"}) {
    const RunConfig run = RunWith(std::string("compute: {device: '") + device + "'}");
    EXPECT_EQ(DeviceText(run.compute.device), device);
  }
  EXPECT_EQ(ErrorOf([] { RunWith("compute: {device: 'cdua:0'}"); }),
            "c.yaml:2:19: compute.device: unknown device 'cdua:0'; did you mean 'cuda:0'? (known: "
            "auto, cpu, cuda, cuda:0)");
  EXPECT_EQ(ErrorOf([] { RunWith("compute: {device: 'cuda:x'}"); }),
            "c.yaml:2:19: compute.device: device 'cuda:x': expected a number from 0 on after "
            "'cuda:'");
  EXPECT_EQ(ErrorOf([] { RunWith("compute: {device: [cpu]}"); }),
            "c.yaml:2:19: compute.device: expected a device, got a sequence");
}

TEST(ComputeTest, DoesNotTellRunsApart) {
  const TempFolder folder;
  const auto error = [&](const std::string& axis) {
    return ErrorOf(
        [&] { LoadExperiment(folder.Write("c.yaml", "model: m/\naxes: [" + axis + "]\n"), {}); });
  };
  EXPECT_EQ(error("{key: compute.threads, values: [1, 2]}"),
            folder /
                "c.yaml:2:8: axes.0: only compute.threads varies; where a run is computed "
                "tells no runs apart, so that all labels would show one run: give each its "
                "own --out");
  EXPECT_EQ(error("{name: a, values: {x: {seed: 1, threads: 1}, y: {seed: 2}}}"), "");
}

TEST(ComputeTest, ARunsFolderSaysWhatItIsAndHow) {
  const TempFolder folder;
  RunConfig config = RunWith("compute: {device: cpu, threads: 7, memory_limit: 3}");
  WriteRunConfig(config, folder.path());
  EXPECT_EQ(ReadAll(folder / "config.yaml"), config.Canonical());
  EXPECT_EQ(ReadAll(folder / "compute.yaml"), "device: cpu\nthreads: 7\nmemory_limit: 3\n");
  const RunConfig read = LoadRunConfig(folder.path());
  EXPECT_EQ(read.Id(), config.Id());
  EXPECT_EQ(DeviceText(read.compute.device), "cpu");
  EXPECT_EQ(read.compute.threads, 7);
  EXPECT_EQ(read.compute.memory_limit, 3);
  config.compute = {};
  WriteRunConfig(config, folder.path());
  EXPECT_EQ(ReadAll(folder / "compute.yaml"), "{}\n");
  EXPECT_EQ(LoadRunConfig(folder.path()).compute.threads, 2);
  std::filesystem::remove(folder / "compute.yaml");  // as programs before left it
  EXPECT_EQ(LoadRunConfig(folder.path()).compute.threads, 2);
  folder.Write("compute.yaml", "threads: 0\n");
  EXPECT_EQ(ErrorOf([&] { LoadRunConfig(folder.path()); }),
            folder / "compute.yaml:1:10: threads: 0 is out of range [1, 1024]");
}

}  // namespace
}  // namespace roundlab
