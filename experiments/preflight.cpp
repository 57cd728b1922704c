#include "experiments/preflight.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/base/error.h"
#include "core/model/loader.h"
#include "core/text/catalogue.h"
#include "core/text/dataset.h"
#include "core/text/tokenizer.h"
#include "eval/perplexity.h"

namespace roundlab {
namespace {

bool Tuned(const RunConfig& run) {
  return !run.pipeline.empty() && run.pipeline.front().scheme.make()->Tunable();
}

std::vector<std::string> LayerNames(const ModelDescription& model) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < model.layers; ++i) {
    const auto block = DecoderBlock::LinearNames(i);
    names.insert(names.end(), block.begin(), block.end());
  }
  return names;
}

/// Options of an evaluator from its recipe, which has been read without errors.
template <class Options>
Options OptionsOf(const EvaluatorRecipe& recipe) {
  Options options;
  std::vector<Diagnostic> none;
  ReadFields(ParseYaml(recipe.canonical, "eval"), "eval", FieldsOf(&options), &none, {"type"});
  return options;
}

/// Gathers what is wrong. Runs share models and data: each is opened once.
class Preflight {
 public:
  void Check(const RunConfig& run) {
    if (const auto& model = Model(run.model.path)) {
      Try([&] { CheckAgainstModel(run, *model); });
    }
    if (Tuned(run)) Data(run.calibration->data, 0);
    for (const EvaluatorRecipe& recipe : run.eval) {
      if (recipe.type != "perplexity") continue;
      const auto options = OptionsOf<Perplexity::Options>(recipe);
      Data(options.data, options.documents);
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

  const std::optional<ModelDescription>& Model(const std::string& name) {
    const auto [place, added] = models_.emplace(name, std::nullopt);
    if (!added) return place->second;
    Try([&, &model = place->second] {
      const std::string path = ResolveModel(name);
      model = ModelFiles(path).description();
      LoadTokenizer(path);
    });
    return place->second;
  }

  void Data(DataSource source, std::int64_t documents) {
    if (!data_.insert({WriteFields(FieldsOf(&source)), documents}).second) return;
    Try([&] { LoadDataset(source, documents); });
  }

  std::map<std::string, std::optional<ModelDescription>> models_;
  std::set<std::pair<std::string, std::int64_t>> data_;
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
  const auto check = [&](const std::string& what, std::int64_t seqlen) {
    if (seqlen <= model.max_positions) return;
    throw Error(what + std::to_string(seqlen) + " is longer than the model's context of " +
                std::to_string(model.max_positions));
  };
  if (!run.pipeline.empty()) run.quant->CheckAgainst(LayerNames(model));
  if (Tuned(run)) check("calibration.seqlen ", run.calibration->seqlen);
  for (const EvaluatorRecipe& recipe : run.eval) {
    if (recipe.type != "perplexity") continue;
    check("eval " + recipe.make()->Name() + ": seqlen ",
          OptionsOf<Perplexity::Options>(recipe).seqlen);
  }
}

}  // namespace roundlab
