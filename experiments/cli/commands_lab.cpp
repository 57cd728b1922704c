#include <algorithm>
#include <cstdio>

#include "core/base/error.h"
#include "core/text/data/builtin_data.h"
#include "core/text/lab/tasks.h"
#include "core/text/lab/text.h"
#include "experiments/cli/commands.h"

namespace roundlab {
namespace {

/// The first `count` lines of a text.
std::string FirstLines(const std::string& text, std::int64_t count) {
  std::size_t end = 0;
  while (count-- > 0 && end < text.size()) end = text.find('\n', end) + 1;
  return text.substr(0, end);
}

}  // namespace

int WorldCommand(const CommandLine& line) {
  RequireArguments(line, 0);
  if (line.seed < 0)
    throw Error("--seed: expected a number from 0, got " + std::to_string(line.seed));
  if (line.documents < 1) {
    throw Error("--documents: expected a number from 1, got " + std::to_string(line.documents));
  }
  const std::string split = line.split.empty() ? "train" : line.split;
  const std::string path = "builtin:lab@" + std::to_string(line.seed) + "/" + split;
  const auto tasks = LabTaskNames();
  if (std::find(tasks.begin(), tasks.end(), split) != tasks.end()) {
    std::fputs(FirstLines(BuiltinRows(path), line.documents).c_str(), stdout);
    return 0;
  }
  for (const std::string& document : BuiltinDocuments(path, line.documents)) {
    std::printf("%s\n\n", document.c_str());
  }
  if (line.quiet) return 0;
  const LabFloor floor = EstimateLabFloor(LabWorld(static_cast<std::uint64_t>(line.seed)), split);
  std::fprintf(stderr, "floor: %.4f nats a byte; %.0f bytes a document\n", floor.nats_per_byte,
               floor.bytes_per_document);
  return 0;
}

}  // namespace roundlab
