#include "experiments/plan/experiment.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/config/value_fields.h"
#include "experiments/plan/experiment_name.h"

namespace roundlab {
namespace {

const std::vector<std::string>& ReservedKeys() {
  static const std::vector<std::string> kKeys = {"ablate", "axes",  "except", "extends", "name",
                                                 "plots",  "seeds", "tables", "targets", "where"};
  return kKeys;
}

/// Of these keys those that a value of nothing removes.
bool IsSection(const std::string& key) {
  const std::vector<std::string>& keys = ReservedKeys();
  return key != "name" && key != "extends" &&
         std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::vector<std::int64_t> ReadSeeds(const ConfigNode& root, std::vector<Diagnostic>* diagnostics) {
  const ConfigNode* seeds = root.Find("seeds");
  if (seeds == nullptr) return {};
  if (seeds->kind != ConfigNode::Kind::kSequence || seeds->elements.empty()) {
    diagnostics->push_back({seeds->where, "seeds: expected a sequence of integers"});
    return {};
  }
  std::vector<std::int64_t> values;
  for (const ConfigNode& element : seeds->elements) {
    ConfigNode holder;
    holder.kind = ConfigNode::Kind::kMapping;
    holder.where = element.where;
    holder.members.push_back({"seeds", element.where, element});
    std::int64_t value = 0;
    ReadFields(
        holder, "", [&](FieldVisitor& f) { f.Int("seeds", &value, AtLeast(0), ""); }, diagnostics);
    if (std::find(values.begin(), values.end(), value) != values.end()) {
      diagnostics->push_back({element.where, "seeds: " + element.scalar + " is there twice"});
    }
    values.push_back(value);
  }
  return values;
}

/// Appends those of `found` that are not there yet: an error of the base shows in every run.
void AppendNew(const std::vector<Diagnostic>& found, std::set<std::string>* seen,
               std::vector<Diagnostic>* diagnostics) {
  for (const Diagnostic& d : found) {
    if (seen->insert(d.where.ToString() + d.message).second) diagnostics->push_back(d);
  }
}

/// Whether a dotted path lies at or below another.
bool Within(const std::string& path, const std::string& above) {
  return path.compare(0, above.size(), above) == 0 &&
         (path.size() == above.size() || path[above.size()] == '.');
}

/// Whether two dotted paths would set one value.
bool Overlap(const std::string& a, const std::string& b) { return Within(a, b) || Within(b, a); }

bool IsReserved(const std::string& path) {
  return std::any_of(ReservedKeys().begin(), ReservedKeys().end(),
                     [&](const std::string& key) { return Within(path, key); });
}

using Labels = std::map<std::string, std::string>;

bool MatchesAny(const Labels& labels, const std::vector<PointPattern>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const PointPattern& pattern) {
    return std::all_of(pattern.begin(), pattern.end(), [&](const auto& entry) {
      const auto& [axis, allowed] = entry;
      return std::find(allowed.begin(), allowed.end(), labels.at(axis)) != allowed.end();
    });
  });
}

/// Which points of the product are planned.
struct PointFilter {
  std::vector<PointPattern> where;
  std::vector<PointPattern> except;
  bool broken = false;  ///< it names what is not there
  bool Keeps(const Labels& labels) const {
    return (where.empty() || MatchesAny(labels, where)) && !MatchesAny(labels, except);
  }
};

/// All changes of one point, each with the axis that makes it.
class PointPatch {
 public:
  explicit PointPatch(std::vector<Diagnostic>* found) : found_(found) {}

  void Add(const std::string& axis, const AxisValue& value) {
    for (const auto& [path, node] : value.patch) {
      if (IsReserved(path)) {
        found_->push_back(
            {node.where, "axis '" + axis + "' sets '" + path + "', which is no option of a run"});
        continue;
      }
      for (const auto& [other, setter] : setters_) {
        if (!Overlap(path, other)) continue;
        const std::string both =
            other == path ? "'" + path + "'" : "'" + other + "' and '" + path + "'";
        const std::string who = setter == axis
                                    ? "axis '" + axis + "', '" + value.label + "', sets twice "
                                    : "axes '" + setter + "' and '" + axis + "' both set ";
        found_->push_back({node.where, who + both});
      }
      setters_.emplace_back(path, axis);
      changes_.emplace_back(path, node);
    }
  }

  /// The axis that sets the seed; empty: none.
  std::string SeedSetter() const {
    for (const auto& [path, setter] : setters_) {
      if (path == "seed") return setter;
    }
    return "";
  }

  void Apply(ConfigNode* root) const {
    for (const auto& [path, node] : changes_) {
      try {
        SetPath(path, node, root);
      } catch (const ConfigError& e) {
        found_->insert(found_->end(), e.diagnostics().begin(), e.diagnostics().end());
      }
    }
  }

 private:
  std::vector<Diagnostic>* found_;
  std::vector<std::pair<std::string, std::string>> setters_;  // path, axis
  std::vector<std::pair<std::string, ConfigNode>> changes_;
};

class Planner {
 public:
  Planner(const ConfigNode& root, std::vector<Diagnostic>* diagnostics)
      : root_(root), diagnostics_(diagnostics) {}

  std::vector<PlannedRun> Plan(const std::vector<ParsedAxis>& axes, const PointFilter& filter,
                               const std::vector<std::int64_t>& seeds) {
    std::vector<std::size_t> at(axes.size(), 0);
    while (true) {
      PlanPoint(axes, at, filter, seeds);
      std::size_t digit = axes.size();
      while (digit > 0 && ++at[digit - 1] == axes[digit - 1].values.size()) at[--digit] = 0;
      if (digit == 0) return std::move(runs_);
    }
  }

 private:
  void PlanPoint(const std::vector<ParsedAxis>& axes, const std::vector<std::size_t>& at,
                 const PointFilter& filter, const std::vector<std::int64_t>& seeds) {
    Labels labels;
    std::vector<Diagnostic> found;
    PointPatch patch(&found);
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const AxisValue& value = axes[i].values[at[i]];
      labels[axes[i].name] = value.label;
      patch.Add(axes[i].name, value);
    }
    if (!filter.Keeps(labels)) return;
    if (const std::string setter = patch.SeedSetter(); !setter.empty() && !seeds.empty()) {
      found.push_back(
          {root_.Find("seeds")->where, "seeds: axis '" + setter + "' sets the seed too"});
    }
    ConfigNode node = root_;
    patch.Apply(&node);
    RunConfig config = ReadRunConfig(node, ReservedKeys(), &found);
    const bool good = found.empty();
    AppendNew(found, &seen_, diagnostics_);
    if (!good) return;
    for (const std::int64_t seed : seeds.empty() ? std::vector{config.seed} : seeds) {
      config.seed = seed;
      runs_.push_back({config.Id(), config, labels, seed});
    }
  }

  const ConfigNode& root_;
  std::vector<Diagnostic>* diagnostics_;
  std::set<std::string> seen_;
  std::vector<PlannedRun> runs_;
};

ConfigNode Scalar(const std::string& text) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::kScalar;
  node.scalar = text;
  return node;
}

/// The parts of a file that are not a run's, read in order.
class ExperimentReader {
 public:
  /// Of `file`. `overrides`: dotted paths that the caller has set in `root`.
  ExperimentReader(const ConfigNode& root, const std::string& file,
                   const std::vector<std::string>& overrides)
      : root_(root), file_(file), overrides_(overrides) {}

  Experiment Read() {
    std::vector<ParsedAxis> axes = ReadAxes(root_.Find("axes"), &diagnostics_);
    if (const ConfigNode* section = root_.Find("ablate")) {
      auto [ablation, axis] = ReadAblation(*section, &diagnostics_);
      experiment_.ablation = std::move(ablation);
      axes.push_back(std::move(axis));
    }
    for (const ParsedAxis& axis : axes) {
      auto& labels = experiment_.axes.emplace_back(Axis{axis.name, {}}).labels;
      for (const AxisValue& value : axis.values) labels.push_back(value.label);
    }
    const bool axes_are_known = diagnostics_.empty();
    experiment_.name = ExperimentName(root_, file_, &diagnostics_);
    CheckSeed();
    CheckOverrides(axes);
    const std::size_t before = diagnostics_.size();
    PointFilter filter = {ReadPatterns(root_.Find("where"), "where", axes, &diagnostics_),
                          ReadPatterns(root_.Find("except"), "except", axes, &diagnostics_)};
    filter.broken = diagnostics_.size() > before;
    const auto seeds = ReadSeeds(root_, &diagnostics_);
    const bool plannable = std::all_of(axes.begin(), axes.end(),
                                       [](const ParsedAxis& axis) { return !axis.values.empty(); });
    if (plannable) {  // with a broken filter, to tell what else is wrong
      experiment_.runs =
          Planner(root_, &diagnostics_).Plan(axes, filter.broken ? PointFilter() : filter, seeds);
    }
    ReadTablesAndPlots(axes_are_known);
    ReadTargetSection();
    if (diagnostics_.empty() && experiment_.runs.empty()) {
      diagnostics_.push_back({root_.where, "where and except leave no run"});
    }
    if (!diagnostics_.empty()) throw ConfigError(std::move(diagnostics_));
    return std::move(experiment_);
  }

 private:
  /// A file's own `seed` is not lost behind `seeds`; that of a file it extends may be.
  void CheckSeed() {
    const ConfigNode* seed = root_.Find("seed");
    const ConfigNode* seeds = root_.Find("seeds");
    if (seed == nullptr || seeds == nullptr || seed->where.file != root_.where.file) return;
    diagnostics_.push_back({seed->where, "seed: 'seeds' sets it in every run; remove one of them"});
  }

  /// None may be lost: where all values of an axis set the same, it would be.
  void CheckOverrides(const std::vector<ParsedAxis>& axes) {
    for (const std::string& path : overrides_) {
      const auto lost = [&](const std::string& to) {
        diagnostics_.push_back({{"--set " + path}, to});
      };
      if (path == "extends") lost("only a file can extend others");
      if (path == "seed" && root_.Find("seeds") != nullptr) {
        lost("'seeds' sets the seed: use --set seeds=[...]");
      }
      const auto sets_it = [&](const AxisValue& value) {
        return std::any_of(value.patch.begin(), value.patch.end(),
                           [&](const auto& change) { return Within(path, change.first); });
      };
      for (const ParsedAxis& axis : axes) {
        if (axis.values.empty() || !std::all_of(axis.values.begin(), axis.values.end(), sets_it)) {
          continue;
        }
        lost("axis '" + axis.name + "' sets it in every run; --only chooses among its labels");
      }
    }
  }

  void ReadTablesAndPlots(bool axes_are_known) {
    const ConfigNode* tables = root_.Find("tables");
    if (tables != nullptr) {
      ListOf<TableSpec>(&experiment_.tables).Read(*tables, "tables", &diagnostics_);
    }
    const ConfigNode* plots = root_.Find("plots");
    if (plots != nullptr) {
      ListOf<PlotSpec>(&experiment_.plots).Read(*plots, "plots", &diagnostics_);
    }
    const bool good = diagnostics_.empty();  // else not all runs are there to say what they measure
    const auto metrics = MeasuredMetrics(experiment_);
    for (std::size_t i = 0; axes_are_known && i < experiment_.tables.size(); ++i) {
      CheckTable(experiment_.tables[i], experiment_.axes, good ? &metrics : nullptr,
                 {tables->elements[i].where, "tables." + std::to_string(i)}, &diagnostics_);
    }
    if (!good) return;
    for (std::size_t i = 0; i < experiment_.plots.size(); ++i) {
      CheckPlot(experiment_.plots[i], experiment_.axes, metrics,
                {plots->elements[i].where, "plots." + std::to_string(i)}, &diagnostics_);
    }
    if (experiment_.ablation) {
      CheckMetric(experiment_.ablation->value, metrics,
                  {root_.Find("ablate")->where, "ablate.value"}, &diagnostics_);
    }
  }

  void ReadTargetSection() {
    const ConfigNode* section = root_.Find("targets");
    if (section == nullptr || !diagnostics_.empty()) return;
    const auto metrics = MeasuredMetrics(experiment_);
    experiment_.targets = ReadTargets(*section, {experiment_.axes, metrics}, &diagnostics_);
  }

  const ConfigNode& root_;
  const std::string& file_;
  const std::vector<std::string>& overrides_;
  std::vector<Diagnostic> diagnostics_;
  Experiment experiment_;
};

}  // namespace

std::string PointLabel(const Experiment& experiment, const PlannedRun& run) {
  std::string label;
  for (const Axis& axis : experiment.axes) {
    label += (label.empty() ? "" : ", ") + run.labels.at(axis.name);
  }
  return label.empty() ? experiment.name : label;
}

std::string RunTitle(const Experiment& experiment, const PlannedRun& run) {
  return PointLabel(experiment, run) + ", seed " + std::to_string(run.seed);
}

std::vector<std::string> MeasuredMetrics(const Experiment& experiment) {
  std::set<std::string> names = {"cost/seconds", "cost/tune_seconds", "cost/peak_gib",
                                 "model/bits_per_weight"};
  for (const PlannedRun& run : experiment.runs) {
    for (const EvaluatorRecipe& recipe : run.config.eval) {
      const auto metrics = recipe.make()->MetricNames();
      names.insert(metrics.begin(), metrics.end());
    }
  }
  return {names.begin(), names.end()};
}

bool IsTraining(const ConfigNode& root) {
  return root.Find("data") != nullptr && root.Find("test") != nullptr;
}

Experiment LoadExperiment(const std::string& file, const std::vector<std::string>& overrides) {
  ConfigNode root = LoadConfig(file);
  if (IsTraining(root)) {
    throw Error(file + ": a training, which runs by `roundlab train " + file + "`");
  }
  std::vector<std::string> overridden;
  for (const std::string& assignment : overrides) {
    ApplyOverride(assignment, &root);
    overridden.push_back(assignment.substr(0, assignment.find('=')));
  }
  // What is inherited is taken away by null.
  std::erase_if(root.members, [](const ConfigNode::Member& member) {
    return member.value.kind == ConfigNode::Kind::kNull && IsSection(member.key);
  });
  if (root.kind != ConfigNode::Kind::kMapping) {
    throw ConfigError(
        {{root.where.line == 0 ? SourceLoc{file} : root.where, "config: expected a mapping"}});
  }
  Experiment experiment = ExperimentReader(root, file, overridden).Read();
  if (root.Find("name") == nullptr) SetPath("name", Scalar(experiment.name), &root);
  if (experiment.targets) {
    const auto table = std::filesystem::absolute(experiment.targets->file).lexically_normal();
    SetPath("targets.file", Scalar(table.string()), &root);
  }
  experiment.resolved = ToYaml(root);
  return experiment;
}

}  // namespace roundlab
