#include "experiments/plan/run_config.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>

#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/config/enum_field.h"
#include "core/config/part_field.h"
#include "core/config/value_fields.h"
#include "core/model/catalogue.h"
#include "core/quant/dtype.h"
#include "eval/metric_name.h"
#include "rounding/stages/round.h"

namespace roundlab {
namespace {

/// `smollm2` or {path: smollm2, dtype: float32}.
class ModelField : public ValueField {
 public:
  explicit ModelField(ModelOptions* model) : model_(model) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind == ConfigNode::Kind::kScalar) {
      model_->path = node.scalar;
    } else {
      ReadFields(node, path, FieldsOf(model_), diagnostics);
    }
    model_->where = node.WhereOf("path");
    const std::string problem = model_->path.empty() ? "" : ModelNameProblem(model_->path);
    if (!problem.empty()) diagnostics->push_back({model_->where, problem});
  }
  std::string Write() const override { return WriteFields(FieldsOf(model_)); }
  std::vector<UnusedKey> Unused() const override { return UnusedFields(FieldsOf(model_)); }
  std::string Type() const override { return "name or path, or {path, dtype, rotate}"; }

 private:
  ModelOptions* model_;
};

/// Stages in an order that makes sense.
class PipelineField : public PartList<Stage> {
 public:
  explicit PipelineField(std::vector<StageRecipe>* stages) : PartList(stages, Stages()) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    PartList::Read(node, path, diagnostics);
    for (const auto& [i, problem] : OrderProblems(recipes())) {
      diagnostics->push_back(
          {node.elements[i].where, path + "." + std::to_string(i) + ": " + problem});
    }
  }
};

/// What is wrong with two evaluators' names beside each other, `theirs` at `place`, or "".
std::string ConflictProblem(const std::string& name, const std::string& theirs,
                            const std::string& place) {
  if (name == theirs) {
    return "name '" + name + "' is taken by " + place +
           "; give one of them a name (zero_shot: a suffix)";
  }
  if (!name.starts_with(theirs + "/") && !theirs.starts_with(name + "/")) return "";
  return "name '" + name + "' and '" + theirs + "' of " + place +
         " lie in each other; give one of them another name";
}

/// Evaluators whose names are their own.
class EvalField : public PartList<Evaluator> {
 public:
  explicit EvalField(std::vector<EvaluatorRecipe>* recipes) : PartList(recipes, Evaluators()) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    PartList::Read(node, path, diagnostics);
    std::map<std::string, std::string> places;  // of names
    for (std::size_t i = 0; i < recipes().size(); ++i) {
      if (!recipes()[i].make) continue;
      const std::string place = path + "." + std::to_string(i);
      const auto report = [&](const std::string& problem) {
        if (!problem.empty())
          diagnostics->push_back({node.elements[i].where, place + ": " + problem});
      };
      for (const std::string& name : recipes()[i].make()->Names()) {
        report(NameProblem(name));
        for (const auto& [other, its] : places) report(ConflictProblem(name, other, its));
        places.emplace(name, place);
      }
    }
  }
};

/// "scheme 'signround'", or the stage's type.
std::string StageText(const StageRecipe& stage) {
  const auto round = RoundOptionsOf({stage});
  return round ? "scheme '" + round->scheme.type + "'" : "stage '" + stage.type + "'";
}

/// Keys of `quant` that are not as by default and have no say, neither in what a stage begins from.
std::vector<UnusedKey> IdleKeys(const RoundOptions& round, const QuantSpec& spec) {
  if (round.start) return {};
  const QuantUse use = round.scheme.make()->Traits().quant;
  const QuantSpec usual;
  std::vector<UnusedKey> idle;
  const auto add = [&](const std::string& key, bool used, bool as_usual) {
    if (!used && !as_usual)
      idle.push_back({"quant." + key, "to scheme '" + round.scheme.type + "'"});
  };
  add("bits", use.bits, spec.bits == usual.bits);
  add("group_size", use.group_size, spec.group_size == usual.group_size);
  add("grid", use.grid, spec.grid == usual.grid);
  return idle;
}

/// Stages that are for grids, behind a scheme that leaves none.
void AddIdleStages(const std::vector<StageRecipe>& pipeline, const RoundOptions& round,
                   std::vector<UnusedKey>* unused) {
  if (round.scheme.make()->Traits().on_grid) return;
  for (std::size_t i = 0; i < pipeline.size(); ++i) {
    if (!pipeline[i].make()->WantsGrid()) continue;
    unused->push_back(
        {"pipeline." + std::to_string(i),
         "behind scheme '" + round.scheme.type + "', whose codes are no steps of a grid"});
  }
}

/// "a, b: of no use to scheme 'rtn'": keys with one reason together.
std::vector<Diagnostic> Told(const std::vector<UnusedKey>& unused, const ConfigNode& node) {
  std::vector<Diagnostic> told;
  std::map<std::string, std::size_t> lines;  // by reason
  for (const UnusedKey& key : unused) {
    const auto [line, added] = lines.emplace(key.why, told.size());
    if (added) told.push_back({node.WhereOf(key.path), ""});
    told[line->second].message += (added ? "" : ", ") + key.path;
  }
  for (const auto& [why, line] : lines) told[line].message += ": of no use " + why;
  return told;
}

/// Of batches that were asked for and are more than there are samples.
void TellLargeBatches(const StageRecipe& stage, const std::string& key, const SourceLoc& where,
                      std::int64_t samples, std::vector<Diagnostic>* told) {
  if (stage.canonical.find("\nbatch: ") == std::string::npos) return;
  for (const TuneOptions* tune : stage.make()->Tunings()) {
    if (tune->batch <= samples) continue;
    told->push_back({where, key + ": " + std::to_string(tune->batch) +
                                ", but a step takes all of the " + std::to_string(samples) +
                                " samples that there are (calibration.samples)"});
  }
}

/// What is wrong with a pipeline beside these evaluators, or "".
std::string PackingProblem(const std::vector<StageRecipe>& pipeline,
                           const std::vector<EvaluatorRecipe>& eval) {
  for (std::size_t i = 0; i < pipeline.size(); ++i) {
    if (!pipeline[i].make || !pipeline[i].make()->SpansTokens()) continue;
    for (std::size_t k = 0; k < eval.size(); ++k) {
      if (!eval[k].make || !eval[k].make()->Packs()) continue;
      return "eval." + std::to_string(k) + ": " + eval[k].type +
             " scores texts that share their beginnings, but pipeline." + std::to_string(i) +
             " ('" + pipeline[i].type +
             "') quantizes with ranges over all tokens of a text (use per token "
             "or group, or ranges: static)";
    }
  }
  return "";
}

/// Keys that files may have at the top, as they did before there was `compute`.
constexpr const char* kOfCompute[] = {"threads", "keep_weights"};

/// The same with those in `compute`.
ConfigNode WithCompute(const ConfigNode& node, std::vector<Diagnostic>* diagnostics) {
  ConfigNode moved = node;
  for (const std::string key : kOfCompute) {
    const ConfigNode* value = node.Find(key);
    if (value == nullptr) continue;
    const ConfigNode* compute = node.Find("compute");
    if (compute != nullptr && compute->Find(key) != nullptr) {
      diagnostics->push_back(
          {value->where, key + ": is compute." + key + ", which is there too: leave this one out"});
    } else {
      SetPath("compute." + key, *value, &moved);
    }
  }
  return moved;
}

}  // namespace

void ModelOptions::Fields(FieldVisitor& f) {
  f.String("path", &path, "name of the catalogue, folder or .gguf file", Presence::kRequired);
  EnumField dtype_field(&dtype, DtypeNames());
  f.Value("dtype", dtype_field,
          "of matrix products and hidden states; weights, scales and losses stay float32");
  OptionalSection<RotationOptions> rotate_field(&rotate);
  f.Value("rotate", rotate_field,
          "turn residual stream, heads and down inputs by orthogonal matrices; the function stays");
}

void RunConfig::Fields(FieldVisitor& f) {
  ModelField model_field(&model);
  f.Value("model", model_field, "the model", Presence::kRequired);
  OptionalSection<CalibrationOptions> calibration_field(&calibration);
  f.Value("calibration", calibration_field, "text that tuned methods see");
  OptionalSection<QuantOptions> quant_field(&quant);
  f.Value("quant", quant_field, "grid of the weights");
  PipelineField pipeline_field(&pipeline);
  f.Value("pipeline", pipeline_field, "stages in order; none: the model as it is");
  EvalField eval_field(&eval);
  f.Value("eval", eval_field, "what is measured");
  f.Int("seed", &seed, AtLeast(0), "of all random draws but the calibration protocol's");
  f.Section(
      "compute", [this](FieldVisitor& c) { compute.Fields(c); }, "where and with what");
  f.Rule([this]() -> std::string {
    return LearnsRotation() && !calibration ? "model.rotate.learn needs the section 'calibration'"
                                            : "";
  });
  f.Rule([this]() -> std::string {
    if (pipeline.empty()) return "";
    if (!quant) return "a pipeline needs the section 'quant'";
    for (std::size_t i = 0; i < pipeline.size() && !calibration; ++i) {
      if (!pipeline[i].make || !pipeline[i].make()->Needs(*quant).tokens) continue;
      return "pipeline." + std::to_string(i) + ": " + StageText(pipeline[i]) +
             " needs the section 'calibration'";
    }
    if (quant->budget && !calibration) return "quant.budget needs the section 'calibration'";
    for (const std::string& problem :
         {UnfitGrid(pipeline, *quant), UnusedRange(pipeline, *quant)}) {
      if (!problem.empty()) return problem;
    }
    return PackingProblem(pipeline, eval);
  });
}

bool RunConfig::LearnsRotation() const { return model.rotate && model.rotate->learn; }

StageNeeds RunConfig::Needs() const {
  StageNeeds needs = quant ? NeedsOf(pipeline, *quant) : StageNeeds();
  needs.tokens = needs.tokens || LearnsRotation();
  return needs;
}

std::string RunConfig::Canonical() const {
  RunConfig used = *this;
  used.compute = {};
  if (pipeline.empty()) used.quant.reset();
  const StageNeeds needs = used.Needs();
  if (!needs.tokens) used.calibration.reset();
  if (!needs.seed) used.seed = 0;
  return WriteFields(FieldsOf(&used));
}

std::vector<Diagnostic> RunConfig::Unused() const {
  const ConfigNode& node = *written;
  RunConfig run = *this;
  std::vector<UnusedKey> unused = UnusedFields(FieldsOf(&run));
  const auto round = run.quant ? RoundOptionsOf(run.pipeline) : std::nullopt;
  std::string other;
  if (round) {
    const std::vector<UnusedKey> idle = IdleKeys(*round, run.quant->spec);
    unused.insert(unused.begin(), idle.begin(), idle.end());
    other = round->scheme.make()->OnGrid(run.quant->spec).in_place;
    AddIdleStages(run.pipeline, *round, &unused);
  }
  std::vector<Diagnostic> told = Told(unused, node);
  if (!other.empty()) {
    told.push_back({node.WhereOf("quant.grid"),
                    "scheme '" + round->scheme.type + "' is '" + other + "' on quant.grid '" +
                        EnumName(run.quant->spec.grid, GridNames()) + "'"});
  }
  for (std::size_t i = 0; run.calibration && i < run.pipeline.size(); ++i) {
    const std::string key = "pipeline." + std::to_string(i) + ".batch";
    TellLargeBatches(run.pipeline[i], key, node.WhereOf(key), run.calibration->samples, &told);
  }
  return told;
}

std::string RunConfig::Id() const { return Sha256Hex(Canonical()).substr(0, 16); }

bool IsComputeKey(const std::string& key) {
  return key == "compute" || key.starts_with("compute.") ||
         std::find(std::begin(kOfCompute), std::end(kOfCompute), key) != std::end(kOfCompute);
}

RunConfig ReadRunConfig(const ConfigNode& node, const std::vector<std::string>& reserved,
                        std::vector<Diagnostic>* diagnostics) {
  RunConfig config;
  std::vector<std::string> not_ours = reserved;
  not_ours.insert(not_ours.end(), std::begin(kOfCompute), std::end(kOfCompute));
  config.written = std::make_shared<const ConfigNode>(WithCompute(node, diagnostics));
  ReadFields(*config.written, "", FieldsOf(&config), diagnostics, not_ours);
  config.compute.device_where = config.written->WhereOf("compute.device");
  config.compute.limit_where = config.written->WhereOf("compute.memory_limit");
  return config;
}

void WriteRunConfig(const RunConfig& config, const std::string& folder) {
  ComputeOptions compute = config.compute;
  const std::string how = WriteFields(FieldsOf(&compute));
  WriteFileAtomically(folder + "/config.yaml", config.Canonical());
  WriteFileAtomically(folder + "/compute.yaml", how.empty() ? "{}\n" : how);
}

RunConfig LoadRunConfig(const std::string& folder) {
  std::vector<Diagnostic> diagnostics;
  RunConfig config = ReadRunConfig(LoadYaml(folder + "/config.yaml"), {}, &diagnostics);
  const std::string how = folder + "/compute.yaml";
  if (std::filesystem::exists(how)) {
    ReadFields(LoadYaml(how), "", FieldsOf(&config.compute), &diagnostics);
  }
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  return config;
}

}  // namespace roundlab
