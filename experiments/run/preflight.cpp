#include "experiments/run/preflight.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

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

/// Gathers what is wrong. Runs share models, calibration and evaluators: each is tried once.
class Preflight {
 public:
  void Check(const RunConfig& run) {
    const KnownModel& model = Model(run.model.path);
    if (model.description) Try([&] { CheckAgainstModel(run, *model.description); });
    if (run.Needs().tokens) {
      CalibrationOptions options = *run.calibration;
      Once(run.model.path, WriteFields(FieldsOf(&options)), [&] {
        if (model.tokenizer) {
          MakeCalibration(options, *model.tokenizer);
        } else {
          LoadDataset(options.data);
        }
      });
    }
    for (const EvaluatorRecipe& recipe : run.eval) {
      Once(run.model.path, recipe.canonical, [&] {
        recipe.make()->Check(model.description ? &*model.description : nullptr,
                             model.tokenizer.get());
      });
    }
  }

  void Finish() const {
    if (!problems_.empty()) throw Error(problems_);
  }

 private:
  template <class Step>
  void Try(const Step& step) {
    try {
      step();
    } catch (const Error& e) {
      if (!seen_.insert(e.what()).second) return;
      problems_ += (problems_.empty() ? "" : "\n") + std::string(e.what());
    }
  }

  const KnownModel& Model(const std::string& name) {
    const auto [place, added] = models_.try_emplace(name);
    if (!added) return place->second;
    Try([&, &model = place->second] {
      model.description = DescribeModel(name);
      model.tokenizer = LoadTokenizer(TokenizerOf(name));
    });
    return place->second;
  }

  template <class Step>
  void Once(const std::string& model, const std::string& what, const Step& step) {
    if (tried_.insert({model, what}).second) Try(step);
  }

  std::map<std::string, KnownModel> models_;
  std::set<std::pair<std::string, std::string>> tried_;
  std::set<std::string> seen_;
  std::string problems_;
};

}  // namespace

void CheckInputs(const std::vector<RunConfig>& runs) {
  Preflight preflight;
  for (const RunConfig& run : runs) preflight.Check(run);
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
