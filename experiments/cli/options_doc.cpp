#include "experiments/cli/options_doc.h"

#include <functional>
#include <vector>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/model/rotation.h"
#include "eval/evaluator.h"
#include "experiments/bench/bench.h"
#include "experiments/plan/experiment.h"
#include "experiments/plan/run_config.h"
#include "experiments/train/train_config.h"
#include "optimizers/optimizers.h"
#include "optimizers/schedule.h"
#include "rounding/range.h"
#include "rounding/scheme.h"
#include "rounding/schemes/oscillation.h"
#include "rounding/stage.h"
#include "rounding/stages/learned_quantizers.h"
#include "rounding/tuner/loss.h"

namespace roundlab {
namespace {

struct PartKind {
  std::string name;   ///< on the command line
  std::string title;  ///< in the reference
  std::vector<std::string> parts;
  std::function<std::string(const std::string&)> describe;
};

template <class R>
PartKind KindOf(const std::string& name, const std::string& title, const R& registry) {
  return {name, title, registry.Names(),
          [&registry](const std::string& part) { return registry.Describe(part); }};
}

std::vector<PartKind> Kinds() {
  return {KindOf("stage", "Stages of `pipeline`", Stages()),
          KindOf("scheme", "Rounding schemes (`pipeline: [{type: round, scheme: {type: …}}]`)",
                 RoundingSchemes()),
          KindOf("range", "Range estimators (`quant.range`)", RangeEstimators()),
          KindOf("optimizer", "Optimizers (`optimizer` of a round stage)", Optimizers()),
          KindOf("loss", "Losses (`loss` of a round stage)", Losses()),
          KindOf("schedule", "Schedules (`schedule` of a round stage)", Schedules()),
          KindOf("eval", "Evaluators (`eval`)", Evaluators())};
}

PartKind FindKind(const std::string& name) {
  std::vector<std::string> names;
  for (PartKind& kind : Kinds()) {
    names.push_back(kind.name);
    if (kind.name == name) return kind;
  }
  throw Error("unknown kind '" + name + "'" + SuggestionSuffix(name, names));
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

/// "key  type, default  help" lines as a Markdown list.
std::string AsList(const std::string& lines) {
  std::string text;
  std::size_t begin = 0;
  while (begin < lines.size()) {
    const std::size_t end = lines.find('\n', begin);
    const std::string line = lines.substr(begin, end - begin);
    const std::size_t key = line.find("  ");
    const std::size_t help = line.rfind("  ");
    text += "* `" + line.substr(0, key) + "` – " + line.substr(help + 2) + " (" +
            line.substr(key + 2, help - key - 2) + ")\n";
    begin = end + 1;
  }
  return text;
}

template <class Options>
std::string Section(const std::string& title, Options options) {
  return "## " + title + "\n\n" + AsList(DescribeFields(FieldsOf(&options))) + "\n";
}

}  // namespace

std::string ListParts(const std::string& only) {
  std::string text;
  for (const PartKind& kind : only.empty() ? Kinds() : std::vector<PartKind>{FindKind(only)}) {
    text += kind.name + "\n";
    for (const std::string& part : kind.parts) {
      text += "  " + FirstLine(kind.describe(part)) + "\n";
    }
  }
  return text;
}

std::string DescribePart(const std::string& kind_name, const std::string& name) {
  const PartKind kind = FindKind(kind_name);
  for (const std::string& part : kind.parts) {
    if (part == name) return kind.describe(part);
  }
  throw Error("unknown " + kind.name + " '" + name + "'" + SuggestionSuffix(name, kind.parts));
}

std::string OptionsMarkdown() {
  std::string text =
      "# Options\n\nWritten by `roundlab describe all` from the lists that read a config; a test "
      "compares them.\n\n";
  text += Section("A run", RunConfig());
  text += Section("`model`", ModelOptions());
  text += Section("`rotate` of `model`", RotationOptions());
  text += Section("`learn` of `rotate`", RotationLearning());
  text += Section("`calibration`", CalibrationOptions());
  text += Section("`data` of calibration and evaluators", DataSource());
  text += Section("`quant`", QuantOptions());
  text += Section("`budget` of `quant`", BitBudget());
  text += Section("An entry of `quant.overrides`", LayerOverride());
  text += Section("`oscillation` of stage `round`", OscillationOptions());
  text += Section("`learn` of stage `activations`", LearnOptions());
  text += Section("An entry of `tables`", TableSpec());
  text += Section("An entry of `plots`", PlotSpec());
  text += Section("A training (`roundlab train`)", TrainConfig());
  text += Section("`bench --set KEY=VALUE`", BenchOptions());
  for (const PartKind& kind : Kinds()) {
    text += "## " + kind.title + "\n\n";
    for (const std::string& part : kind.parts) {
      const std::string description = kind.describe(part);
      const std::string first = FirstLine(description);
      text += "### " + part + "\n\n" + first.substr(part.size() + 2) + "\n\n";
      const std::string list = AsList(description.substr(first.size() + 1));
      if (!list.empty()) text += list + "\n";
    }
  }
  text.pop_back();
  return text;
}

}  // namespace roundlab
