// usage: write_run_files FOLDER finished|live|again
// What a run leaves, for tests of its readers in Python: "finished" writes run.h5; "live" and
// "again" record two units and two units of which the first is done again (a resumed run), tell
// that with a line, and keep the files open until stdin ends.
#include <cmath>
#include <cstdio>
#include <string>

#include "core/metrics/hdf5_file.h"
#include "core/metrics/tensorboard_file.h"

using namespace roundlab;  // NOLINT(google-build-using-namespace)

namespace {

double Loss(int unit, int step) { return std::ldexp(1.0, -unit) / (1 + step); }

void RecordUnit(int unit, int steps, MetricSink* sink) {
  const std::string prefix = "tune/block_" + std::to_string(unit) + "/";
  for (int step = 0; step < steps; ++step) sink->Record(prefix + "loss", step, Loss(unit, step));
  for (int step = 0; step < steps; ++step) sink->Record(prefix + "lr", step, 0.5);
}

void WriteFinished(const std::string& folder) {
  RunRecord record;
  for (int unit = 0; unit < 2; ++unit) RecordUnit(unit, 20, &record);
  for (const char* layer : {"a.0.q_proj", "a.1.q_proj"}) {
    record.Array(std::string("layers/") + layer + "/flip_rate", {1}, {0.25});
    record.Array(std::string("layers/") + layer + "/offset_histogram", {2}, {3, 1});
  }
  WriteRunFile(folder + "/run.h5", record, {{"status", "complete"}});
}

void Live(const std::string& folder, int last_steps) {
  LiveRunFile live(folder + "/run.h5",
                   {"tune/block_0/loss", "tune/block_0/lr", "tune/block_1/loss", "tune/block_1/lr"},
                   {});
  TensorBoardFile curves(folder);
  TeeSink sink(&live, &curves);
  RecordUnit(0, 20, &sink);
  RecordUnit(1, last_steps, &sink);
  live.Flush();
  curves.Flush();
  std::puts("written");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string what = argv[2];
  if (what == "finished") WriteFinished(argv[1]);
  if (what == "live") Live(argv[1], 5);
  if (what == "again") Live(argv[1], 8);
  return 0;
}
