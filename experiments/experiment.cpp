#include "experiments/experiment.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/config/value_fields.h"

namespace roundlab {
namespace {

const std::vector<std::string>& ReservedKeys() {
  static const std::vector<std::string> keys = {"axes", "extends", "name", "seeds", "tables"};
  return keys;
}

/// One place on an axis: a label and what it changes.
struct AxisValue {
  std::string label;
  std::vector<std::pair<std::string, ConfigNode>> patch;  ///< dotted path -> value
};

struct ParsedAxis {
  std::string name;
  std::vector<AxisValue> values;
};

std::string LabelOf(const ConfigNode& node) {
  if (node.kind == ConfigNode::Kind::kScalar) return node.scalar;
  const ConfigNode* type = node.Find("type");
  if (type != nullptr && type->kind == ConfigNode::Kind::kScalar) return type->scalar;
  return node.where.ToString();
}

class AxisReader {
 public:
  explicit AxisReader(std::vector<Diagnostic>* diagnostics) : diagnostics_(diagnostics) {}

  std::vector<ParsedAxis> Read(const ConfigNode* axes) {
    std::vector<ParsedAxis> parsed;
    if (axes == nullptr) return parsed;
    if (axes->kind != ConfigNode::Kind::kSequence) {
      Report(axes->where, "axes: expected a sequence, got " + std::string(axes->KindName()));
      return parsed;
    }
    for (std::size_t i = 0; i < axes->elements.size(); ++i) {
      ParsedAxis axis = ReadAxis(axes->elements[i], "axes." + std::to_string(i));
      for (const ParsedAxis& other : parsed) {
        if (other.name == axis.name) {
          Report(axes->elements[i].where, "axes: name '" + axis.name + "' is used twice");
        }
      }
      parsed.push_back(std::move(axis));
    }
    return parsed;
  }

 private:
  void Report(const SourceLoc& where, const std::string& message) {
    diagnostics_->push_back({where, message});
  }

  ParsedAxis ReadAxis(const ConfigNode& node, const std::string& path) {
    ParsedAxis axis;
    std::string key;
    std::string name;
    const ConfigNode* values = node.Find("values");
    ReadFields(node, path,
               [&](FieldVisitor& f) {
                 f.String("key", &key, "dotted path of the option that varies");
                 f.String("name", &name, "name of the axis in tables");
               },
               diagnostics_, {"values"});
    axis.name = name.empty() ? key : name;
    if (values == nullptr) {
      Report(node.where, "missing required key '" + path + ".values'");
    } else if (!key.empty() && values->kind == ConfigNode::Kind::kSequence) {
      for (const ConfigNode& value : values->elements) {
        axis.values.push_back({LabelOf(value), {{key, value}}});
      }
    } else if (key.empty() && !name.empty() && values->kind == ConfigNode::Kind::kMapping) {
      for (const ConfigNode::Member& member : values->members) {
        axis.values.push_back(ReadPatch(member, path + ".values." + member.key));
      }
    } else {
      Report(values->where, path +
                                ": expected key with a sequence of values, or name with a "
                                "mapping of patches");
      return axis;
    }
    if (axis.values.empty()) Report(node.where, path + ": has no values");
    return axis;
  }

  AxisValue ReadPatch(const ConfigNode::Member& member, const std::string& path) {
    AxisValue value{member.key, {}};
    if (member.value.kind == ConfigNode::Kind::kNull) return value;
    if (member.value.kind != ConfigNode::Kind::kMapping) {
      Report(member.value.where, path + ": expected a mapping of dotted keys to values");
      return value;
    }
    for (const ConfigNode::Member& change : member.value.members) {
      value.patch.emplace_back(change.key, change.value);
    }
    return value;
  }

  std::vector<Diagnostic>* diagnostics_;
};

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

class Planner {
 public:
  Planner(const ConfigNode& root, std::vector<Diagnostic>* diagnostics)
      : root_(root), diagnostics_(diagnostics) {}

  std::vector<PlannedRun> Plan(const std::vector<ParsedAxis>& axes,
                               const std::vector<std::int64_t>& seeds) {
    std::vector<std::size_t> at(axes.size(), 0);
    while (true) {
      PlanPoint(axes, at, seeds);
      std::size_t digit = axes.size();
      while (digit > 0 && ++at[digit - 1] == axes[digit - 1].values.size()) at[--digit] = 0;
      if (digit == 0) return std::move(runs_);
    }
  }

 private:
  void PlanPoint(const std::vector<ParsedAxis>& axes, const std::vector<std::size_t>& at,
                 const std::vector<std::int64_t>& seeds) {
    ConfigNode node = root_;
    std::map<std::string, std::string> labels;
    std::vector<Diagnostic> found;
    std::map<std::string, std::string> setters;  // path -> axis
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const AxisValue& value = axes[i].values[at[i]];
      labels[axes[i].name] = value.label;
      for (const auto& [path, patch] : value.patch) {
        const auto [other, added] = setters.emplace(path, axes[i].name);
        if (!added) {
          found.push_back({patch.where, "axes '" + other->second + "' and '" + axes[i].name +
                                            "' both set '" + path + "'"});
        }
        try {
          SetPath(path, patch, &node);
        } catch (const ConfigError& e) {
          found.insert(found.end(), e.diagnostics().begin(), e.diagnostics().end());
        }
      }
    }
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

void CheckTables(const ConfigNode& root, const Experiment& experiment,
                 std::vector<Diagnostic>* diagnostics) {
  std::vector<std::string> names;
  for (const Axis& axis : experiment.axes) names.push_back(axis.name);
  const ConfigNode* tables = root.Find("tables");
  for (std::size_t i = 0; i < experiment.tables.size(); ++i) {
    const TableSpec& table = experiment.tables[i];
    for (const auto& [key, axis] : {std::pair{"rows", table.rows}, {"columns", table.columns}}) {
      if (axis.empty() || std::find(names.begin(), names.end(), axis) != names.end()) continue;
      diagnostics->push_back({tables->elements[i].where, "tables." + std::to_string(i) + "." + key +
                                                             ": unknown axis '" + axis + "'" +
                                                             SuggestionSuffix(axis, names)});
    }
  }
}

std::string DefaultName(const std::string& file) {
  const std::filesystem::path path = std::filesystem::absolute(file).lexically_normal();
  return path.parent_path().filename().string() + "-" + path.stem().string();
}

}  // namespace

void TableSpec::Fields(FieldVisitor& f) {
  f.String("rows", &rows, "axis down", Presence::kRequired);
  f.String("columns", &columns, "axis across; none is one column");
  f.String("value", &value, "metric in the cells", Presence::kRequired);
}

Experiment LoadExperiment(const std::string& file, const std::vector<std::string>& overrides) {
  ConfigNode root = LoadConfig(file);
  for (const std::string& assignment : overrides) ApplyOverride(assignment, &root);
  Experiment experiment;
  std::vector<Diagnostic> diagnostics;
  if (root.kind != ConfigNode::Kind::kMapping) {
    throw ConfigError(
        {{root.where.line == 0 ? SourceLoc{file} : root.where, "config: expected a mapping"}});
  }
  const auto axes = AxisReader(&diagnostics).Read(root.Find("axes"));
  for (const ParsedAxis& axis : axes) {
    experiment.axes.push_back({axis.name, {}});
    for (const AxisValue& value : axis.values) {
      experiment.axes.back().labels.push_back(value.label);
    }
  }
  if (const ConfigNode* tables = root.Find("tables")) {
    ListOf<TableSpec>(&experiment.tables).Read(*tables, "tables", &diagnostics);
    if (diagnostics.empty()) CheckTables(root, experiment, &diagnostics);
  }
  const auto seeds = ReadSeeds(root, &diagnostics);
  const bool plannable = std::all_of(axes.begin(), axes.end(),
                                     [](const ParsedAxis& axis) { return !axis.values.empty(); });
  if (plannable) experiment.runs = Planner(root, &diagnostics).Plan(axes, seeds);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
  const ConfigNode* name = root.Find("name");
  experiment.name = name != nullptr ? name->scalar : DefaultName(file);
  return experiment;
}

}  // namespace roundlab
