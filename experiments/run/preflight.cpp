#include "experiments/run/preflight.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/model/catalogue.h"
#include "core/text/data/calibration.h"
#include "core/text/tokenizer/load_tokenizer.h"
#include "experiments/run/open_model.h"
#include "rounding/spend_budget.h"

namespace roundlab {
namespace {

std::vector<std::string> LayerNames(const ModelDescription& model) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < model.layers; ++i) {
    const auto block = model.LinearNames(i);
    names.insert(names.end(), block.begin(), block.end());
  }
  return names;
}

/// A model as far as it is known without its weights.
struct KnownModel {
  std::optional<ModelDescription> description;
  std::unique_ptr<Tokenizer> tokenizer;
};

/// Throws what `step` throws with the place of the key that its message begins with.
template <class Step>
void WithPlace(const RunConfig& run, const Step& step) {
  try {
    step();
  } catch (const Error& e) {
    throw ConfigError({{run.written->WhereItBegins(e.what()), e.what()}});
  }
}

/// Throws what `step` throws, a problem a line, with the place of `key` where it has none of its
/// own.
template <class Step>
void At(const RunConfig& run, const std::string& key, const Step& step) {
  try {
    step();
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& e) {
    std::vector<Diagnostic> problems;
    std::istringstream lines(e.what());
    for (std::string line; std::getline(lines, line);) {
      problems.push_back({run.written->WhereOf(key), line});
    }
    throw ConfigError(std::move(problems));
  }
}

/// Gathers what is wrong. Runs share models, calibration and evaluators: each is tried once.
/// label: what a run is called in messages.
class Preflight {
 public:
  void CheckShape(const RunConfig& run, const std::string& label) {
    labels_.insert(label);
    const std::optional<ModelDescription>& model = Model(run.model).description;
    if (!model) return;
    if (run.Needs().tokens || !run.eval.empty()) {
      Once(run.model.path, "vocabulary", [&] { CheckVocabulary(run.model, *model); });
    }
    Try([&] { WithPlace(run, [&] { CheckAgainstModel(run, *model); }); }, label);
  }

  void CheckTexts(const RunConfig& run) {
    KnownModel& model = Model(run.model);
    if (model.description) {
      Once(run.model.path, "tokenizer",
           [&] { model.tokenizer = LoadTokenizer(TokenizerOf(run.model.path)); });
    }
    if (run.Needs().tokens) {
      CalibrationOptions options = *run.calibration;
      Once(run.model.path, WriteFields(FieldsOf(&options)),
           [&] { At(run, "calibration", [&] { CheckCalibration(options, model); }); });
    }
    for (std::size_t i = 0; i < run.eval.size(); ++i) {
      Once(run.model.path, run.eval[i].canonical, [&] {
        At(run, "eval." + std::to_string(i), [&] { CheckEvaluator(run.eval[i], model); });
      });
    }
  }

  void Finish() const {
    std::string all;
    for (const Problem& problem : problems_) {
      all += (all.empty() ? "" : "\n") + problem.where + Whose(problem) + problem.message;
    }
    if (!all.empty()) throw Error(all);
  }

 private:
  struct Problem {
    std::string where;  // "c.yaml:3:5: " or nothing
    std::string message;
    std::set<std::string> others;  // labels of runs that have it too
    std::string first;             // label of the first; empty: of no run in particular
  };

  /// "W4G128, rtn: ", or nothing where all runs have it.
  std::string Whose(const Problem& problem) const {
    const std::size_t others = problem.others.size();
    if (problem.first.empty() || others + 1 == labels_.size()) return "";
    return problem.first + (others > 0 ? " (and " + std::to_string(others) + " more)" : "") + ": ";
  }

  template <class Step>
  void Try(const Step& step, const std::string& label = "") {
    try {
      step();
    } catch (const ConfigError& e) {
      for (const Diagnostic& d : e.diagnostics()) Add(d.where.ToString() + ": ", d.message, label);
    } catch (const Error& e) {
      Add("", e.what(), label);
    }
  }

  void Add(const std::string& where, const std::string& message, const std::string& label) {
    const auto known =
        std::find_if(problems_.begin(), problems_.end(), [&](const Problem& problem) {
          return problem.where == where && problem.message == message;
        });
    if (known == problems_.end()) {
      problems_.push_back({where, message, {}, label});
    } else if (label != known->first) {
      known->others.insert(label);
    }
  }

  KnownModel& Model(const ModelOptions& options) {
    const auto [place, added] = models_.try_emplace(options.path);
    if (added) Try([&, &model = place->second] { model.description = Described(options); });
    return place->second;
  }

  /// Throws Error with the place of its path in the configuration where there is no such model,
  /// with that in the model's own files where something is wrong in them.
  static ModelDescription Described(const ModelOptions& options) {
    try {
      return DescribeModel(options.path);
    } catch (const Error& e) {
      if (ModelIsThere(options.path)) throw;
      throw ConfigError({{options.where, e.what()}});
    }
  }

  /// Random models are given the ids of another model's tokenizer.
  static void CheckVocabulary(const ModelOptions& options, const ModelDescription& model) {
    if (!options.path.starts_with(kRandomModel)) return;
    const auto tokens = LoadTokenizer(TokenizerOf(options.path))->VocabSize();
    if (tokens <= model.vocab) return;
    throw ConfigError(
        {{options.where, options.path + " has a vocabulary of " + std::to_string(model.vocab) +
                             ", and texts have token ids up to " + std::to_string(tokens - 1) +
                             ": it is for runs without text"}});
  }

  static void CheckCalibration(const CalibrationOptions& options, const KnownModel& model) {
    if (model.tokenizer) {
      MakeCalibration(options, *model.tokenizer);
    } else {
      LoadDataset(options.data);
    }
  }

  static void CheckEvaluator(const EvaluatorRecipe& recipe, const KnownModel& model) {
    recipe.make()->Check(model.description ? &*model.description : nullptr, model.tokenizer.get());
  }

  template <class Step>
  void Once(const std::string& model, const std::string& what, const Step& step) {
    if (tried_.insert({model, what}).second) Try(step);
  }

  std::map<std::string, KnownModel> models_;
  std::set<std::pair<std::string, std::string>> tried_;
  std::set<std::string> labels_;
  std::vector<Problem> problems_;
};

}  // namespace

void CheckInputs(const Experiment& experiment) {
  Preflight preflight;
  for (const PlannedRun& run : experiment.runs) {
    preflight.CheckShape(run.config, PointLabel(experiment, run));
    preflight.CheckTexts(run.config);
  }
  preflight.Finish();
}

void CheckShapes(const Experiment& experiment) {
  Preflight preflight;
  for (const PlannedRun& run : experiment.runs) {
    const std::string& model = run.config.model.path;
    if (model.starts_with(kRandomModel) || ModelIsThere(model))
      preflight.CheckShape(run.config, PointLabel(experiment, run));
  }
  preflight.Finish();
}

void CheckAgainstModel(const RunConfig& run, const ModelDescription& model) {
  if (run.model.rotate) {
    if (IsRun(run.model.path)) {
      throw Error("model.rotate: what run '" + run.model.path + "' has quantized can't be turned");
    }
    const std::string problem = RotationProblem(model, *run.model.rotate);
    if (!problem.empty()) throw Error("model.rotate: " + problem);
  }
  if (!run.pipeline.empty()) {
    run.quant->CheckAgainst(LayerNames(model));
    CheckBudget(*run.quant, model);
    CheckStages(run.pipeline, model, *run.quant);
  }
  if (run.Needs().tokens && run.calibration->seqlen > model.max_positions) {
    throw Error("calibration.seqlen " + std::to_string(run.calibration->seqlen) +
                " is longer than the model's context of " + std::to_string(model.max_positions));
  }
}

}  // namespace roundlab
