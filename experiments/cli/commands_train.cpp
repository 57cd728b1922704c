#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/print_json.h"
#include "experiments/train/train.h"

namespace roundlab {

int TrainCommand(const CommandLine& line) {
  RequireArguments(line, 1, "FILE [--set KEY=VALUE] [--out DIR] [--json] [--quiet]");
  const std::string& file = line.arguments[0];
  const TrainConfig config = LoadTrainConfig(file, line.set);
  const std::string folder =
      line.out_given ? line.out : "results/models/" + std::filesystem::path(file).stem().string();
  InstallInterruptHandler();
  RunResult result;
  try {
    result = TrainModel(config, {folder, line.quiet});
  } catch (const Diverged& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  if (line.json) {
    PrintJson({{"folder", folder}, {"metrics", result.metrics}, {"timing", result.timing}});
    return 0;
  }
  std::printf("model: %s\nheld-out perplexity: %.4f +- %.4f\n", folder.c_str(),
              result.metrics.at("test/perplexity"), result.metrics.at("test/stderr"));
  const auto floor = result.metrics.find("test/floor_perplexity");
  if (floor != result.metrics.end()) std::printf("floor: %.4f\n", floor->second);
  return 0;
}

}  // namespace roundlab
