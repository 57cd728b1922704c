#include "rounding/methods_doc.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "core/base/error.h"
#include "rounding/range.h"
#include "rounding/scheme.h"
#include "rounding/stage.h"
#include "rounding/tuner/tune_options.h"

namespace roundlab {
namespace {

constexpr std::int64_t kOut = 128;
constexpr std::int64_t kIn = 256;
constexpr std::int64_t kGroup = 64;

/// "[gptq](../rounding/schemes/gptq.h)"
std::string Link(const std::string& name, const char* folder) {
  return "[`" + name + "`](../rounding/" + folder + "/" + name + ".h)";
}

std::string Words(const LayerNeeds& needs) {
  std::vector<std::string> words;
  if (needs.inputs.Channels()) words.emplace_back("channels");
  if (needs.inputs.second_moment) words.emplace_back("second moment");
  if (needs.inputs.cross_moment) words.emplace_back("cross moment");
  if (needs.inputs.sample > 0) words.emplace_back("a sample");
  if (needs.fisher) words.emplace_back("Fisher information");
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  if (text.empty()) return "";
  return text + (needs.chain == Chain::kOriginal ? " (unquantized model)" : "");
}

std::shared_ptr<const InputStatistics> SomeInputs() {
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor x = at::randn({2 * kIn, kIn}, generator, at::TensorOptions(at::kFloat));
  auto inputs = std::make_shared<InputStatistics>();
  inputs->tokens = x.size(0);
  inputs->mean = x.mean(0);
  inputs->absolute_mean = x.abs().mean(0);
  inputs->absolute_max = x.abs().amax(0);
  inputs->square_mean = x.square().mean(0);
  inputs->second_moment = at::mm(x.t(), x);
  inputs->cross_moment = at::zeros_like(inputs->second_moment);
  inputs->sample = x;
  return inputs;
}

/// Trained numbers a weight of a layer of 128 x 256 in groups of 64.
double TrainedAWeight(const RoundingScheme& scheme, GridKind grid) {
  at::Generator generator = at::detail::createCPUGenerator(2);
  LayerContext layer{
      "layer", at::randn({kOut, kIn}, generator, at::TensorOptions(at::kFloat)), {}, {}, 3};
  layer.spec.bits = 4;
  layer.spec.group_size = kGroup;
  layer.spec.grid = grid;
  layer.range = MinMaxRange(layer.Layout().Split(layer.weight));
  layer.inputs = SomeInputs();
  double numbers = 0;
  for (const ParameterGroup& group : scheme.Begin(layer)->Parameters()) {
    for (const at::Tensor& tensor : group.tensors) numbers += static_cast<double>(tensor.numel());
  }
  return numbers / static_cast<double>(kOut * kIn);
}

/// Bytes a weight of the same layer while it is made, float32.
double BytesAWeight(const std::string& name, const RoundingScheme& scheme, double trained) {
  constexpr double kFloat = 4;
  const SchemeTraits traits = scheme.Traits();
  if (traits.tunable) {
    const auto stage = Stages().FromText("type: round\nscheme: " + name).make();
    const TuneOptions& tune = *stage->Tunings().front();
    return kFloat *
           (3 + scheme.OnLayer({"layer", kOut, kIn, {}}).kept +
            trained * (2 + tune.Copies() + static_cast<double>(StateNumbers(tune.optimizer))));
  }
  const StatisticsKinds& sums = traits.needs.inputs;
  const double moments = (sums.second_moment ? 1 : 0) + (sums.cross_moment ? 1 : 0);
  const double solving = scheme.OnLayer({"layer", kOut, kIn, {}}).working_bytes;
  return kFloat * (2 + moments * kIn / kOut) + solving / static_cast<double>(kOut * kIn);
}

std::string Short(double value) {
  char number[32];
  std::snprintf(number, sizeof(number), "%.3g", value);
  return number;
}

std::string Grids(const RoundingScheme& scheme, GridKind* first) {
  std::string text;
  for (const auto& [grid, name] : GridNames()) {
    if (!scheme.OnGrid({.grid = grid}).takes) continue;
    if (text.empty()) *first = grid;
    text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

std::string OneLine(std::string yaml) {
  while (!yaml.empty() && yaml.back() == '\n') yaml.pop_back();
  for (std::size_t at = 0; (at = yaml.find('\n', at)) != std::string::npos;) {
    yaml.replace(at, 1, ", ");
  }
  return yaml.empty() ? "" : "`" + yaml + "`";
}

std::string OnGpu(bool there) { return there ? "there" : "by the processor"; }

std::string SchemeRow(const std::string& name) {
  const auto scheme = SchemeByName(name);
  const std::string begin =
      "| " + Link(name, "schemes") + " | " + RoundingSchemes().Summary(name) + " | ";
  if (!scheme) return begin + "by its options | | | | | | |\n";
  const SchemeTraits traits = scheme->Traits();
  GridKind grid = GridKind::kAsym;
  const std::string grids = Grids(*scheme, &grid);
  std::string trained = "one shot";
  std::string tuned;
  const double count = traits.tunable ? TrainedAWeight(*scheme, grid) : 0;
  if (traits.tunable) {
    trained = Short(count);
    tuned = OneLine(traits.tuning);
    if (tuned.empty()) tuned = "the stage's defaults";
  }
  const std::string sees = Words(traits.needs);
  return begin + trained + " | " + Short(BytesAWeight(name, *scheme, count)) + " | " +
         (traits.straight_through ? "no" : "yes") + " | " +
         (sees.empty() ? (traits.tunable ? "outputs" : "nothing") : sees) + " | " + grids + " | " +
         tuned + " | " + (traits.tunable && !traits.any_device ? "no" : OnGpu(traits.any_device)) +
         " |\n";
}

std::string KindName(StageKind kind) {
  switch (kind) {
    case StageKind::kTransform:
      return "transform";
    case StageKind::kRound:
      return "round";
    case StageKind::kRepair:
      return "repair";
    case StageKind::kActivations:
      return "activations";
  }
  ROUNDLAB_CHECK(false, "a stage of no kind");
}

/// With what it requires: `bits`, where it does.
std::unique_ptr<Stage> DefaultStage(const std::string& name) {
  try {
    return Stages().FromText("type: " + name).make();
  } catch (const ConfigError&) {
    return Stages().FromText("type: " + name + "\nbits: 8").make();
  }
}

std::string StageRow(const std::string& name) {
  if (name == "round") return "";
  const auto stage = DefaultStage(name);
  const StageNeeds needs = stage->Needs(QuantOptions());
  std::string sees = needs.tokens ? "calibration tokens" : "nothing";
  if (needs.tunes) sees += ", tuned";
  return "| " + Link(name, "stages") + " | " + KindName(stage->Kind()) + " | " +
         Stages().Summary(name) + " | " + sees + " | " + (stage->AnyDevice() ? "there" : "no") +
         " |\n";
}

}  // namespace

std::string MethodsMarkdown() {
  std::string text =
      "### Rounding schemes\n\nTrained: numbers a weight, of a layer of 128 x 256 in groups of 64. "
      "Memory: bytes a weight of that layer while it is made, in float32, hidden states not "
      "counted: "
      "the weight, the rounded one and, where it is tuned, its gradient and what its graph keeps; "
      "what is trained, its "
      "gradient, its copies (as it started, best so far) and the optimizer's moments; else second "
      "moments of inputs and what GPTQ's solver holds. "
      "Soft: while it is tuned, weights lie between codes. Sees: what it wants to know of a "
      "layer's "
      "inputs; tuned ones see the unit's outputs. Tuned by: what a config that names the scheme "
      "alone gets. With a GPU: where it is made, there or by the processor.\n\n"
      "| scheme | what | trained | memory | soft | sees | grids | tuned by | with a GPU |\n"
      "|---|---|--:|--:|---|---|---|---|---|\n";
  for (const std::string& name : RoundingSchemes().Names()) text += SchemeRow(name);
  text += "\n### Ranges\n\n| range | what | sees | with a GPU |\n|---|---|---|---|\n";
  for (const std::string& name : RangeEstimators().Names()) {
    const auto range = RangeEstimators().FromText("type: " + name).make();
    const std::string sees = Words(range->Uses());
    text += "| " + Link(name, "ranges") + " | " + RangeEstimators().Summary(name) + " | " +
            (sees.empty() ? "weights" : sees) + " | " + OnGpu(range->AnyDevice()) + " |\n";
  }
  text +=
      "\n### Stages besides `round`\n\n| stage | kind | what | sees | with a GPU |\n"
      "|---|---|---|---|---|\n";
  for (const std::string& name : Stages().Names()) text += StageRow(name);
  return text;
}

}  // namespace roundlab
