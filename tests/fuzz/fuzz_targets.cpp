// A CSV of published figures and, behind its first zero byte, the section that says what its
// columns mean: diagnostics, or cells that are numbers and name runs that there are.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/base/error.h"
#include "core/config/node.h"
#include "experiments/plan/targets.h"
#include "tests/fuzz/memory_file.h"

namespace {

constexpr const char* kSection = R"(
source: a paper
axes: {model: model, config: method}
labels: {method: {FP16: fp, W4: "*"}}
absent: {method: {AWQ: no such scheme}}
metrics: {a: a/perplexity, both: [a/perplexity, b/perplexity], no: ~}
tolerance: [{axis: method, labels: [fp]}, {relative: 0.01, errors: 1}]
)";

void Check(const roundlab::Targets& targets) {
  for (const roundlab::TargetCell& cell : targets.cells) {
    for (const auto& [axis, label] : cell.labels) {
      if (axis != "model" && axis != "method") std::abort();
    }
    if (cell.printed.empty() || cell.printed == "-") continue;
    if (!std::isfinite(std::stod(cell.printed))) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static roundlab::fuzz::MemoryFile memory;
  const std::vector<roundlab::Axis> axes = {{"model", {"M", "N"}}, {"method", {"fp", "rtn"}}};
  const std::vector<std::string> metrics = {"a/perplexity", "b/perplexity"};
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(input.find('\0'), size);
  const std::string file = memory.Put(data, zero);
  try {
    std::vector<roundlab::Diagnostic> diagnostics;
    roundlab::ConfigNode section =
        roundlab::ParseYaml(zero == size ? kSection : input.substr(zero + 1), "/fuzz.yaml");
    if (section.kind != roundlab::ConfigNode::Kind::kMapping) return 0;
    roundlab::SetPath("file", roundlab::ParseYaml(file, "/fuzz.yaml"), &section);
    const auto targets = roundlab::ReadTargets(section, {axes, metrics}, &diagnostics);
    if (diagnostics.empty()) Check(targets);
  } catch (const roundlab::Error&) {
  }
  return 0;
}
