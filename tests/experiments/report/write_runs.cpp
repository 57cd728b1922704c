// usage: write_runs FOLDER WIDTHS SEEDS BLOCKS
// Runs with made-up numbers, to look at reports of any size.
#include <string>

#include "tests/experiments/report/synthetic_runs.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  roundlab::testing::SyntheticRuns runs;
  runs.widths = std::stoul(argv[2]);
  runs.seeds = std::stoul(argv[3]);
  runs.blocks = std::stoul(argv[4]);
  runs.Write(argv[1]);
  return 0;
}
