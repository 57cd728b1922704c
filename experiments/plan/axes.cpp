#include "experiments/plan/axes.h"

#include <algorithm>

#include "core/base/suggest.h"
#include "core/config/value_fields.h"
#include "experiments/plan/run_config.h"

namespace roundlab {
namespace {

using Kind = ConfigNode::Kind;
using DiagnosticList = std::vector<Diagnostic>;

constexpr const char* kSeedKey = "seed";

/// A value in a line of text: "{name: lab, split: calibration}", "[1, 2]", "null".
std::string LineOf(const ConfigNode& node) {
  if (node.kind == Kind::kScalar) return node.scalar;
  if (node.kind == Kind::kNull) return "null";
  std::string text;
  for (const ConfigNode& element : node.elements) {
    text += (text.empty() ? "" : ", ") + LineOf(element);
  }
  for (const ConfigNode::Member& member : node.members) {
    text += (text.empty() ? "" : ", ") + member.key + ": " + LineOf(member.value);
  }
  return node.kind == Kind::kSequence ? "[" + text + "]" : "{" + text + "}";
}

/// A part's type, else the value.
std::string LabelOf(const ConfigNode& node) {
  const ConfigNode* type = node.Find("type");
  return LineOf(type != nullptr && type->kind == Kind::kScalar ? *type : node);
}

/// Whether `node` is of the kind; says so where it is not.
bool Expect(const ConfigNode& node, Kind kind, const std::string& path, const char* what,
            DiagnosticList* diagnostics) {
  if (node.kind == kind) return true;
  diagnostics->push_back({node.where, path + ": expected " + what + ", got " + node.KindName()});
  return false;
}

std::vector<std::pair<std::string, ConfigNode>> ReadPatch(const ConfigNode& node,
                                                          const std::string& path,
                                                          DiagnosticList* diagnostics) {
  std::vector<std::pair<std::string, ConfigNode>> patch;
  if (node.kind == Kind::kNull) return patch;
  Expect(node, Kind::kMapping, path, "a mapping of dotted keys to values", diagnostics);
  for (const ConfigNode::Member& change : node.members)
    patch.emplace_back(change.key, change.value);
  return patch;
}

class AxisReader {
 public:
  AxisReader(const ConfigNode& node, std::string path, DiagnosticList* diagnostics)
      : node_(node), path_(std::move(path)), diagnostics_(diagnostics) {}

  ParsedAxis Read() {
    std::string name;
    ReadFields(node_, path_,
               [&](FieldVisitor& f) {
                 f.String("key", &key_, "dotted path of the option that varies");
                 f.String("name", &name, "name of the axis in tables");
               },
               diagnostics_, {"values", "zip", "labels"});
    axis_.name = name.empty() ? key_ : name;
    if (axis_.name == kSeedKey && key_ != kSeedKey) {
      Report(node_.where, path_ +
                              ": name 'seed' is what each run's own seed is listed as; choose "
                              "another (key: seed is the axis of seeds)");
    }
    const ConfigNode* values = node_.Find("values");
    const ConfigNode* zip = node_.Find("zip");
    if (values == nullptr && zip == nullptr) {
      Report(node_.where, "missing required key '" + path_ + ".values'");
    } else if (zip != nullptr && values == nullptr && key_.empty() && !name.empty()) {
      ReadZip(*zip);
    } else if (zip == nullptr && !key_.empty() && values->kind == Kind::kSequence) {
      for (const ConfigNode& value : values->elements) {
        axis_.values.push_back({LabelOf(value), {{key_, value}}});
      }
    } else if (zip == nullptr && key_.empty() && !name.empty() && values->kind == Kind::kMapping) {
      ReadPatches(*values);
    } else {
      Report(node_.where, path_ +
                              ": expected key with a sequence of values, name with a mapping of "
                              "patches, or name with zip");
      return axis_;
    }
    if (axis_.values.empty()) Report(node_.where, path_ + ": has no values");
    CheckItTellsRunsApart();
    ReadLabels();
    return std::move(axis_);
  }

 private:
  void Report(const SourceLoc& where, const std::string& message) {
    diagnostics_->push_back({where, message});
  }

  void ReadPatches(const ConfigNode& values) {
    for (const ConfigNode::Member& member : values.members) {
      const std::string place = path_ + ".values." + member.key;
      axis_.values.push_back({member.key, ReadPatch(member.value, place, diagnostics_)});
    }
  }

  void ReadZip(const ConfigNode& zip) {
    if (!Expect(zip, Kind::kMapping, path_ + ".zip", "a mapping of dotted keys to sequences",
                diagnostics_)) {
      return;
    }
    for (const ConfigNode::Member& member : zip.members) {
      const std::string place = path_ + ".zip." + member.key;
      if (!Expect(member.value, Kind::kSequence, place, "a sequence", diagnostics_)) return;
      const std::size_t count = member.value.elements.size();
      if (&member == &zip.members.front()) axis_.values.resize(count);
      if (count != axis_.values.size()) {
        return Report(member.value.where, place + ": has " + std::to_string(count) + " values, '" +
                                              zip.members.front().key + "' has " +
                                              std::to_string(axis_.values.size()));
      }
      for (std::size_t i = 0; i < count; ++i) {
        const ConfigNode& value = member.value.elements[i];
        std::string& label = axis_.values[i].label;
        label += (label.empty() ? "" : ", ") + LabelOf(value);
        axis_.values[i].patch.emplace_back(member.key, value);
      }
    }
  }

  void CheckItTellsRunsApart() {
    std::vector<std::string> keys;
    for (const auto& value : axis_.values) {
      for (const auto& [key, to] : value.patch) keys.push_back(key);
    }
    if (keys.empty() || !std::all_of(keys.begin(), keys.end(), IsComputeKey)) return;
    Report(node_.where, path_ + ": only " + keys.front() +
                            " varies; where a run is computed tells no runs apart, so that all "
                            "labels would show one run: give each its own --out");
  }

  void ReadLabels() {
    const ConfigNode* labels = node_.Find("labels");
    if (labels != nullptr) {
      if (!Expect(*labels, Kind::kSequence, path_ + ".labels", "a sequence", diagnostics_)) return;
      if (labels->elements.size() != axis_.values.size()) {
        return Report(labels->where, path_ + ".labels: " + std::to_string(labels->elements.size()) +
                                         " labels for " + std::to_string(axis_.values.size()) +
                                         " values");
      }
      for (std::size_t i = 0; i < axis_.values.size(); ++i) {
        axis_.values[i].label = LabelOf(labels->elements[i]);
      }
    }
    for (std::size_t i = 0; i < axis_.values.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (axis_.values[i].label != axis_.values[j].label) continue;
        Report(node_.where, path_ + ": label '" + axis_.values[i].label + "' is there twice");
      }
    }
  }

  const ConfigNode& node_;
  const std::string path_;
  DiagnosticList* diagnostics_;
  std::string key_;
  ParsedAxis axis_;
};

/// What one label or a list of labels says; empty where it is neither.
std::vector<std::string> LabelsIn(const ConfigNode& node) {
  if (node.kind == Kind::kScalar) return {node.scalar};
  std::vector<std::string> labels;
  for (const ConfigNode& element : node.elements) {
    if (element.kind != Kind::kScalar) return {};
    labels.push_back(element.scalar);
  }
  return labels;
}

void CheckLabels(const ConfigNode::Member& member, const std::string& path,
                 const std::vector<ParsedAxis>& axes, DiagnosticList* diagnostics) {
  std::vector<std::string> names;
  names.reserve(axes.size());
  for (const ParsedAxis& axis : axes) names.push_back(axis.name);
  const auto axis = std::find(names.begin(), names.end(), member.key);
  if (axis == names.end()) {
    diagnostics->push_back({member.key_where, path + ": unknown axis '" + member.key + "'" +
                                                  SuggestionSuffix(member.key, names)});
    return;
  }
  std::vector<std::string> known;
  for (const AxisValue& value : axes[static_cast<std::size_t>(axis - names.begin())].values) {
    known.push_back(value.label);
  }
  const std::vector<std::string> labels = LabelsIn(member.value);
  if (labels.empty()) {
    diagnostics->push_back(
        {member.value.where, path + "." + member.key + ": expected a label or a list of labels"});
  }
  for (const std::string& label : labels) {
    if (std::find(known.begin(), known.end(), label) != known.end()) continue;
    diagnostics->push_back({member.value.where, path + "." + member.key + ": axis '" + member.key +
                                                    "' has no '" + label + "'" +
                                                    SuggestionSuffix(label, known)});
  }
}

}  // namespace

std::vector<ParsedAxis> ReadAxes(const ConfigNode* axes, DiagnosticList* diagnostics) {
  std::vector<ParsedAxis> parsed;
  if (axes == nullptr) return parsed;
  if (!Expect(*axes, Kind::kSequence, "axes", "a sequence", diagnostics)) return parsed;
  for (std::size_t i = 0; i < axes->elements.size(); ++i) {
    const ConfigNode& node = axes->elements[i];
    ParsedAxis axis = AxisReader(node, "axes." + std::to_string(i), diagnostics).Read();
    for (const ParsedAxis& other : parsed) {
      if (other.name != axis.name) continue;
      diagnostics->push_back({node.where, "axes: name '" + axis.name + "' is used twice"});
    }
    parsed.push_back(std::move(axis));
  }
  return parsed;
}

std::pair<Ablation, ParsedAxis> ReadAblation(const ConfigNode& section,
                                             DiagnosticList* diagnostics) {
  Ablation ablation;
  ParsedAxis axis{kAblationAxis, {}};
  const ConfigNode* off = section.Find("off");
  ReadFields(section, "ablate",
             [&](FieldVisitor& f) {
               f.String("value", &ablation.value, "metric that tells the damage",
                        Presence::kRequired);
               f.Bool("pairs", &ablation.pairs, "also switch off two at a time");
               f.String("full", &ablation.full, "label of the point that has everything");
             },
             diagnostics, {"off"});
  if (off == nullptr || off->kind != Kind::kMapping || off->members.empty()) {
    diagnostics->push_back({off == nullptr ? section.where : off->where,
                            "ablate.off: expected a mapping of components to the dotted keys that "
                            "switch them off"});
    return {ablation, axis};
  }
  axis.values.push_back({ablation.full, {}});
  for (const ConfigNode::Member& member : off->members) {
    if (ablation.Label(member.key) == ablation.full) {
      diagnostics->push_back(
          {member.key_where, "ablate: label '" + ablation.full + "' is there twice"});
    }
    ablation.components.push_back(member.key);
    const std::string place = "ablate.off." + member.key;
    axis.values.push_back(
        {ablation.Label(member.key), ReadPatch(member.value, place, diagnostics)});
  }
  const std::size_t count = ablation.components.size();
  for (std::size_t i = 1; i <= count && ablation.pairs; ++i) {
    for (std::size_t j = i + 1; j <= count; ++j) {
      AxisValue both = axis.values[i];
      both.label = ablation.Label(ablation.components[i - 1], ablation.components[j - 1]);
      both.patch.insert(both.patch.end(), axis.values[j].patch.begin(), axis.values[j].patch.end());
      axis.values.push_back(std::move(both));
    }
  }
  return {ablation, axis};
}

std::vector<PointPattern> ReadPatterns(const ConfigNode* list, const std::string& key,
                                       const std::vector<ParsedAxis>& axes,
                                       DiagnosticList* diagnostics) {
  std::vector<PointPattern> patterns;
  if (list == nullptr || !Expect(*list, Kind::kSequence, key, "a sequence", diagnostics)) return {};
  for (std::size_t i = 0; i < list->elements.size(); ++i) {
    const ConfigNode& node = list->elements[i];
    const std::string place = key + "." + std::to_string(i);
    if (!Expect(node, Kind::kMapping, place, "a mapping of axes to labels", diagnostics)) continue;
    PointPattern& pattern = patterns.emplace_back();
    for (const ConfigNode::Member& member : node.members) {
      CheckLabels(member, place, axes, diagnostics);
      pattern.emplace_back(member.key, LabelsIn(member.value));
    }
  }
  return patterns;
}

}  // namespace roundlab
