#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/config/node.h"

namespace roundlab {

/// One place on an axis: a label and what it changes.
struct AxisValue {
  std::string label;
  std::vector<std::pair<std::string, ConfigNode>> patch;  ///< dotted path -> value
};

/// A dimension of a sweep. In a file, an entry of `axes`, in one of three forms:
///   {key: quant.bits, values: [4, 3]}             one option; `name` and `labels` as one likes
///   {name: method, values: {rtn: {a.b: 1}, ...}}  labelled patches of dotted keys
///   {name: size, zip: {quant.bits: [4, 2], quant.group_size: [128, 64]}}   options that go
///   together
struct ParsedAxis {
  std::string name;
  std::vector<AxisValue> values;
};

/// Components that are switched off one by one. In a file:
///   ablate: {value: tinystories/perplexity, off: {rounding: {pipeline.0.scheme.rounding: false}},
///            pairs: false, full: full}
/// makes an axis `ablate` with the labels "full", "- rounding", ... and "- a - b" for pairs.
struct Ablation {
  std::string value;                    ///< the metric that tells the damage
  std::vector<std::string> components;  ///< in file order
  bool pairs = false;
  std::string full = "full";  ///< label of the point that has all of them

  std::string Label(const std::string& component) const { return "- " + component; }
  std::string Label(const std::string& a, const std::string& b) const {
    return "- " + a + " - " + b;
  }
};

constexpr const char* kAblationAxis = "ablate";

/// The sequence `axes`; null: none. Appends what is wrong.
std::vector<ParsedAxis> ReadAxes(const ConfigNode* axes, std::vector<Diagnostic>* diagnostics);

/// The section `ablate`: what it says, and its axis.
std::pair<Ablation, ParsedAxis> ReadAblation(const ConfigNode& section,
                                             std::vector<Diagnostic>* diagnostics);

/// Labels by axis that a point of the plan must have: {method: [rtn, fp], width: W4}.
using PointPattern = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// `where` (points that match any entry are kept; none given: all) or `except` (points that match
/// any are left out): a sequence of patterns, whose axes and labels must be there.
std::vector<PointPattern> ReadPatterns(const ConfigNode* list, const std::string& key,
                                       const std::vector<ParsedAxis>& axes,
                                       std::vector<Diagnostic>* diagnostics);

}  // namespace roundlab
