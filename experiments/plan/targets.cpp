#include "experiments/plan/targets.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/suggest.h"
#include "core/config/value_fields.h"
#include "core/text/data/csv.h"

namespace roundlab {
namespace {

using TextList = std::vector<std::string>;
using Kind = ConfigNode::Kind;

bool Has(const TextList& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// One text or a list of them.
TextList TextsOf(const ConfigNode& node) {
  if (node.kind == Kind::kScalar) return {node.scalar};
  TextList texts;
  for (const ConfigNode& element : node.elements) texts.push_back(element.scalar);
  return texts;
}

class TargetReader {
 public:
  TargetReader(const ConfigNode& section, const TargetContext& context,
               std::vector<Diagnostic>* diagnostics)
      : section_(section), context_(context), diagnostics_(diagnostics) {}

  Targets Read() {
    std::string file;
    ListOf<ToleranceRule> rules(&targets_.rules);
    ReadFields(section_, "targets",
               [&](FieldVisitor& f) {
                 f.String("file", &file, "CSV of published figures", Presence::kRequired);
                 f.String("source", &targets_.source, "where they were published",
                          Presence::kRequired);
                 f.Real("scale", &targets_.scale, Above(0), "published figures over ours");
                 f.Value("tolerance", rules, "how far ours may be off");
               },
               diagnostics_, {"axes", "labels", "absent", "metrics"});
    const ConfigNode* axes = section_.Find("axes");
    const ConfigNode* metrics = section_.Find("metrics");
    for (const char* key : {"axes", "metrics"}) {
      if (section_.Find(key) == nullptr) {
        Report(section_.where, std::string("missing required key 'targets.") + key + "'");
      }
    }
    if (axes == nullptr || metrics == nullptr || file.empty()) return targets_;
    CheckAxes(*axes);
    CheckNamed("labels");
    CheckNamed("absent");
    CheckRules();
    CheckMetrics(*metrics);
    // Beside the file that says so; where the command line does, as it stands there.
    const std::string& place = section_.Find("file")->where.file;
    const auto folder = place.starts_with("--set ") ? std::filesystem::path()
                                                    : std::filesystem::path(place).parent_path();
    targets_.file = (folder / file).lexically_normal().string();
    try {
      ReadRows(ParseCsv(ReadFile(targets_.file), targets_.file), *axes, *metrics);
    } catch (const ConfigError&) {
      throw;
    } catch (const Error& e) {
      Report(section_.Find("file")->where, std::string("targets.file: ") + e.what());
    }
    return std::move(targets_);
  }

 private:
  void Report(const SourceLoc& where, const std::string& message) {
    diagnostics_->push_back({where, message});
  }

  /// Null, and reported, where the plan does not have it.
  const Axis* KnownAxis(const std::string& name, const SourceLoc& where, const std::string& place) {
    return FindAxis(context_.axes, name, {where, place}, diagnostics_);
  }

  void CheckAxes(const ConfigNode& axes) {
    for (const ConfigNode::Member& member : axes.members) {
      KnownAxis(member.value.scalar, member.value.where, "targets.axes." + member.key);
    }
  }

  /// targets.labels and targets.absent, whose keys are axes.
  void CheckNamed(const std::string& key) {
    const ConfigNode* section = section_.Find(key);
    if (section == nullptr) return;
    for (const ConfigNode::Member& member : section->members) {
      KnownAxis(member.key, member.key_where, "targets." + key);
    }
  }

  void CheckRules() {
    for (std::size_t i = 0; i < targets_.rules.size(); ++i) {
      const ToleranceRule& rule = targets_.rules[i];
      if (rule.axis.empty()) continue;
      const SourceLoc& where = section_.Find("tolerance")->elements[i].where;
      const std::string place = "targets.tolerance." + std::to_string(i);
      const Axis* axis = KnownAxis(rule.axis, where, place + ".axis");
      if (axis == nullptr) continue;
      for (const std::string& label : rule.labels) {
        if (Has(axis->labels, label)) continue;
        Report(where, place + ".labels: axis '" + rule.axis + "' has no '" + label + "'" +
                          SuggestionSuffix(label, axis->labels));
      }
    }
  }

  void CheckMetrics(const ConfigNode& metrics) {
    for (const ConfigNode::Member& member : metrics.members) {
      for (const std::string& name : TextsOf(member.value)) {
        if (Has(context_.metrics, name)) continue;
        Report(member.value.where, "targets.metrics." + member.key + ": no run measures '" + name +
                                       "'" + SuggestionSuffix(name, context_.metrics));
      }
    }
  }

  void ReadRows(const std::vector<CsvRow>& rows, const ConfigNode& axes,
                const ConfigNode& metrics) {
    if (rows.empty()) throw Error(targets_.file + ": is empty");
    if (rows.size() == 1) throw Error(targets_.file + ": has no rows below its first line");
    const TextList& header = rows.front().cells;
    std::set<std::string> columns;
    for (const std::string& name : header) {
      if (columns.insert(name).second) continue;
      throw Error(Place(rows.front()) + ": column '" + name + "' is there twice");
    }
    for (const ConfigNode* section : {&axes, &metrics}) {
      for (const ConfigNode::Member& member : section->members) {
        if (member.value.kind == Kind::kNull || Has(header, member.key)) continue;
        Report(member.key_where, "targets: " + targets_.file + " has no column '" + member.key +
                                     "'" + SuggestionSuffix(member.key, header));
        return;
      }
    }
    for (std::size_t r = 1; r < rows.size(); ++r) {
      if (rows[r].cells.size() != header.size()) {
        throw Error(Place(rows[r]) + ": has " + std::to_string(rows[r].cells.size()) +
                    " cells, the first line has " + std::to_string(header.size()));
      }
      ReadRow(header, rows[r], axes, metrics);
    }
  }

  std::string Place(const CsvRow& row) const {
    return targets_.file + ":" + std::to_string(row.line);
  }

  void ReadRow(const TextList& header, const CsvRow& row, const ConfigNode& axes,
               const ConfigNode& metrics) {
    TargetCell cell;
    std::string last;
    TextList run;
    for (std::size_t c = 0; c < header.size(); ++c) {
      const ConfigNode* axis = axes.Find(header[c]);
      if (axis == nullptr) continue;
      run.push_back(row.cells[c]);
      // "FP16, FP16", a model as it is, is told once.
      if (row.cells[c] != last) cell.row += (cell.row.empty() ? "" : ", ") + row.cells[c];
      last = row.cells[c];
      Place(axis->scalar, row.cells[c], row, &cell);
    }
    const auto [same, added] = lines_.emplace(run, row.line);
    if (!added) {
      throw Error(Place(row) + ": of the same run as line " + std::to_string(same->second));
    }
    for (std::size_t c = 0; c < header.size(); ++c) {
      const ConfigNode* names = metrics.Find(header[c]);
      if (names == nullptr || names->kind == Kind::kNull) continue;
      cell.column = header[c];
      cell.metrics = TextsOf(*names);
      cell.printed = row.cells[c];
      CheckNumber(cell, row);
      targets_.cells.push_back(cell);
    }
  }

  void CheckNumber(const TargetCell& cell, const CsvRow& row) const {
    if (cell.printed.empty() || cell.printed == "-") return;
    static const std::regex kNumber("[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?");
    if (std::regex_match(cell.printed, kNumber)) return;
    throw Error(Place(row) + ": " + cell.column + " is '" + cell.printed +
                "', not a number, '-' or nothing");
  }

  /// What `text` of a row means on an axis.
  void Place(const std::string& axis, const std::string& text, const CsvRow& row,
             TargetCell* cell) {
    if (const std::string* reason = Look("absent", axis, text)) {
      cell->absent = *reason;
      return;
    }
    const std::string* renamed = Look("labels", axis, text);
    const std::string label = renamed == nullptr ? text : *renamed;
    if (label == "*") return;
    const Axis* found = FindAxis(context_.axes, axis);
    if (found == nullptr) return;
    const TextList& known = found->labels;
    if (!Has(known, label) && told_.insert(axis + "/" + label).second) {
      Report({Place(row)}, "target names no run: axis '" + axis + "' has no '" + label + "'" +
                               SuggestionSuffix(label, known) +
                               "; say under targets.labels or targets.absent what it is");
    }
    cell->labels[axis] = label;
  }

  /// targets.<section>.<axis>.<text>; null where it is not there.
  const std::string* Look(const char* section, const std::string& axis,
                          const std::string& text) const {
    const ConfigNode* at = section_.Find(section);
    at = at == nullptr ? nullptr : at->Find(axis);
    at = at == nullptr ? nullptr : at->Find(text);
    return at == nullptr ? nullptr : &at->scalar;
  }

  const ConfigNode& section_;
  const TargetContext& context_;
  std::vector<Diagnostic>* diagnostics_;
  Targets targets_;
  std::set<std::string> told_;
  std::map<TextList, std::int64_t> lines_;  // of the runs that there were
};

}  // namespace

void ToleranceRule::Fields(FieldVisitor& f) {
  f.String("axis", &axis, "axis whose labels are meant; none: everything");
  StringList labels_field(&labels);
  f.Value("labels", labels_field, "labels of the axis");
  f.Real("digits", &digits, AtLeast(0), "units of the last printed digit");
  f.Real("relative", &relative, AtLeast(0), "share of the published figure");
  f.Real("errors", &errors, AtLeast(0), "standard errors of the measurement");
}

Targets ReadTargets(const ConfigNode& section, const TargetContext& context,
                    std::vector<Diagnostic>* diagnostics) {
  return TargetReader(section, context, diagnostics).Read();
}

}  // namespace roundlab
