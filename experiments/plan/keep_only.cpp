#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "experiments/plan/experiment.h"

namespace roundlab {
namespace {

/// The labels in "A,B". A label may have commas itself: the longest that fits is taken.
std::set<std::string> SplitLabels(const std::string& text, const Axis& axis,
                                  const std::string& place) {
  std::set<std::string> labels;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::string* found = nullptr;
    for (const std::string& label : axis.labels) {
      const std::size_t end = begin + label.size();
      if (text.compare(begin, label.size(), label) != 0) continue;
      if (end < text.size() && text[end] != ',') continue;
      if (found == nullptr || label.size() > found->size()) found = &label;
    }
    if (found == nullptr) {
      const std::string wrong = text.substr(begin, text.find(',', begin) - begin);
      throw Error(place + ": axis '" + axis.name + "' has no '" + wrong + "'" +
                  SuggestionSuffix(wrong, axis.labels));
    }
    labels.insert(*found);
    begin += found->size() + 1;
  }
  return labels;
}

}  // namespace

void KeepOnly(const std::vector<std::string>& only, Experiment* experiment) {
  for (const std::string& condition : only) {
    const std::size_t equals = condition.find('=');
    const std::string place = "--only " + condition;
    if (equals == std::string::npos) throw Error(place + ": expected AXIS=LABEL[,LABEL...]");
    const std::string name = condition.substr(0, equals);
    std::vector<std::string> names;
    const Axis* axis = nullptr;
    for (const Axis& candidate : experiment->axes) {
      names.push_back(candidate.name);
      if (candidate.name == name) axis = &candidate;
    }
    if (axis == nullptr) {
      throw Error(place + ": unknown axis '" + name + "'" + SuggestionSuffix(name, names));
    }
    const std::set<std::string> kept = SplitLabels(condition.substr(equals + 1), *axis, place);
    std::erase_if(experiment->runs,
                  [&](const PlannedRun& run) { return kept.count(run.labels.at(name)) == 0; });
  }
  if (experiment->runs.empty()) throw Error("--only leaves no run");
}

}  // namespace roundlab
