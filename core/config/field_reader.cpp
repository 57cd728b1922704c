#include "core/config/fields.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/suggest.h"

namespace roundlab {
namespace {

/// The whole of `text` as a number, with none of yaml-cpp's octal, hex or thousands forms.
template <class T>
std::optional<T> ParseNumber(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

class FieldReader : public FieldVisitor {
 public:
  FieldReader(const ConfigNode& node, std::string path, std::vector<std::string> reserved,
              std::vector<Diagnostic>* diagnostics)
      : node_(node),
        path_(std::move(path)),
        known_(std::move(reserved)),
        diagnostics_(diagnostics),
        found_before_(diagnostics->size()) {}

  void Int(const char* key, std::int64_t* value, Interval allowed, const char* /*help*/,
           Presence presence) override {
    const ConfigNode* child = Scalar(key, "an integer", presence);
    if (child == nullptr) return;
    const auto parsed = ParseNumber<std::int64_t>(child->scalar);
    if (!parsed) return WrongType(*child, key, "an integer");
    if (InRange(*child, key, static_cast<double>(*parsed), allowed)) *value = *parsed;
  }
  void Real(const char* key, double* value, Interval allowed, const char* /*help*/,
            Presence presence) override {
    const ConfigNode* child = Scalar(key, "a number", presence);
    if (child == nullptr) return;
    const auto parsed = ParseNumber<double>(child->scalar);
    if (!parsed) return WrongType(*child, key, "a number");
    if (InRange(*child, key, *parsed, allowed)) *value = *parsed;
  }
  void Bool(const char* key, bool* value, const char* /*help*/, Presence presence) override {
    const ConfigNode* child = Scalar(key, "true or false", presence);
    if (child == nullptr) return;
    if (child->scalar != "true" && child->scalar != "false") {
      return WrongType(*child, key, "true or false");
    }
    *value = child->scalar == "true";
  }
  void String(const char* key, std::string* value, const char* /*help*/,
              Presence presence) override {
    const ConfigNode* child = Scalar(key, "a text", presence);
    if (child != nullptr) *value = child->scalar;
  }
  void Value(const char* key, ValueField& value, const char* /*help*/, Presence presence) override {
    if (const ConfigNode* child = Find(key, presence)) {
      value.Read(*child, Name(key), diagnostics_);
    }
  }
  void UsedIf(bool, const std::string&, const std::function<void(FieldVisitor&)>& fields) override {
    fields(*this);
  }
  void Rule(const std::function<std::string()>& problem) override { rules_.push_back(problem); }
  void Section(const char* key, const std::function<void(FieldVisitor&)>& fields,
               const char* /*help*/) override {
    known_.emplace_back(key);
    static const ConfigNode* const kEmpty = [] {
      auto* empty = new ConfigNode;
      empty->kind = ConfigNode::Kind::kMapping;
      return empty;
    }();
    const ConfigNode* child = node_.Find(key);
    const bool there = child != nullptr && child->kind != ConfigNode::Kind::kNull;
    ReadFields(there ? *child : *kEmpty, Name(key), fields, diagnostics_);
  }

  void Finish() {
    for (const ConfigNode::Member& member : node_.members) {
      if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
      Report(member.key_where,
             "unknown key '" + Name(member.key) + "'" + SuggestionSuffix(member.key, known_));
    }
    if (diagnostics_->size() != found_before_) return;
    for (const auto& rule : rules_) {
      const std::string problem = rule();
      if (problem.empty()) continue;
      Report(node_.WhereItBegins(problem), (path_.empty() ? "" : path_ + ": ") + problem);
    }
  }

 private:
  std::string Name(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  void Report(const SourceLoc& where, const std::string& message) {
    diagnostics_->push_back({where, message});
  }
  void WrongType(const ConfigNode& child, const char* key, const std::string& expected) {
    Report(child.where, Name(key) + ": expected " + expected + ", got '" + child.scalar + "'");
  }
  bool InRange(const ConfigNode& child, const char* key, double value, const Interval& allowed) {
    if (allowed.Contains(value)) return true;
    Report(child.where, Name(key) + ": " + child.scalar + " is out of range " + allowed.ToString());
    return false;
  }
  const ConfigNode* Find(const char* key, Presence presence) {
    known_.emplace_back(key);
    const ConfigNode* child = node_.Find(key);
    if (child == nullptr && presence == Presence::kRequired) {
      Report(node_.where, "missing required key '" + Name(key) + "'");
    }
    return child;
  }
  const ConfigNode* Scalar(const char* key, const std::string& expected, Presence presence) {
    const ConfigNode* child = Find(key, presence);
    if (child == nullptr || child->kind == ConfigNode::Kind::kScalar) return child;
    Report(child->where, Name(key) + ": expected " + expected + ", got " + child->KindName());
    return nullptr;
  }

  const ConfigNode& node_;
  std::string path_;
  std::vector<std::string> known_;
  std::vector<Diagnostic>* diagnostics_;
  std::size_t found_before_;
  std::vector<std::function<std::string()>> rules_;
};

}  // namespace

void ReadFields(const ConfigNode& node, const std::string& path, const FieldsFunction& fields,
                std::vector<Diagnostic>* diagnostics, const std::vector<std::string>& reserved) {
  if (node.kind != ConfigNode::Kind::kMapping) {
    diagnostics->push_back({node.where, (path.empty() ? "config" : path) + ": expected a mapping"});
    return;
  }
  FieldReader reader(node, path, reserved, diagnostics);
  fields.visit(reader);
  reader.Finish();
}

void ReadAssignments(const std::vector<std::string>& assignments, const FieldsFunction& fields,
                     ConfigNode root) {
  root.kind = ConfigNode::Kind::kMapping;
  for (const std::string& assignment : assignments) ApplyOverride(assignment, &root);
  std::vector<Diagnostic> diagnostics;
  ReadFields(root, "", fields, &diagnostics);
  if (!diagnostics.empty()) throw ConfigError(std::move(diagnostics));
}

}  // namespace roundlab
