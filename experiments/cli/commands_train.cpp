#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/diverged.h"
#include "core/base/error.h"
#include "core/base/interrupt.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/print_json.h"
#include "experiments/run/input_files.h"
#include "experiments/train/train.h"

namespace roundlab {

int TrainCommand(const CommandLine& line) {
  RequireArguments(line, 1);
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
  for (const std::string& text : ChangedFiles(result.provenance, folder + "/train")) {
    std::fprintf(stderr, "%s was made of another %s: remove it to make it again\n", folder.c_str(),
                 text.c_str());
  }
  if (line.json) {
    PrintJson({{"folder", folder}, {"metrics", result.metrics}, {"timing", result.timing}});
    return 0;
  }
  std::printf("model: %s\nheld-out perplexity: %.4f", folder.c_str(),
              result.metrics.at("test/perplexity"));
  const auto told = [&result](const char* format, const char* metric) {
    const auto found = result.metrics.find(metric);  // one window has no standard error
    if (found != result.metrics.end()) std::printf(format, found->second);
  };
  told(" +- %.4f", "test/stderr");
  told("\nfloor: %.4f", "test/floor_perplexity");
  std::printf("\n");
  return 0;
}

}  // namespace roundlab
