#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"

namespace roundlab {

/// A sequence of structs that list their Fields.
template <class T>
class ListOf : public ValueField {
 public:
  explicit ListOf(std::vector<T>* values) : values_(values) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind != ConfigNode::Kind::kSequence) {
      diagnostics->push_back(
          {node.where, path + ": expected a sequence, got " + std::string(node.KindName())});
      return;
    }
    values_->clear();
    for (std::size_t i = 0; i < node.elements.size(); ++i) {
      T& value = values_->emplace_back();
      ReadFields(node.elements[i], path + "." + std::to_string(i), FieldsOf(&value), diagnostics);
    }
  }
  std::string Write() const override {
    std::string text;
    for (T& value : *values_) {
      const std::string fields = WriteFields(FieldsOf(&value));
      text += fields.empty() ? "- {}\n" : "-\n" + Indent(fields, 2);
    }
    return text;
  }
  std::string Type() const override { return "sequence of mappings"; }
  std::vector<UnusedKey> Unused() const override {
    std::vector<UnusedKey> unused;
    for (std::size_t i = 0; i < values_->size(); ++i) {
      AddUnused(std::to_string(i), UnusedFields(FieldsOf(&(*values_)[i])), &unused);
    }
    return unused;
  }

 private:
  std::vector<T>* values_;
};

/// A sequence of texts.
class StringList : public ValueField {
 public:
  explicit StringList(std::vector<std::string>* values) : values_(values) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override;
  std::string Write() const override;
  std::string Type() const override { return "sequence of texts"; }

 private:
  std::vector<std::string>* values_;
};

/// A sequence of numbers.
class RealList : public ValueField {
 public:
  RealList(std::vector<double>* values, Interval allowed) : values_(values), allowed_(allowed) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override;
  std::string Write() const override;
  std::string Type() const override { return "sequence of numbers in " + allowed_.ToString(); }

 private:
  std::vector<double>* values_;
  Interval allowed_;
};

/// A section that may be absent.
template <class T>
class OptionalSection : public ValueField {
 public:
  explicit OptionalSection(std::optional<T>* value) : value_(value) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    value_->reset();
    if (node.kind == ConfigNode::Kind::kNull) return;  // removes one that a file inherits
    value_->emplace();
    ReadFields(node, path, FieldsOf(&**value_), diagnostics);
  }
  std::string Write() const override {
    if (!value_->has_value()) return "";
    const std::string fields = WriteFields(FieldsOf(&**value_));
    return fields.empty() ? "{}" : fields;
  }
  std::string Type() const override { return "mapping"; }
  std::vector<UnusedKey> Unused() const override {
    return value_->has_value() ? UnusedFields(FieldsOf(&**value_)) : std::vector<UnusedKey>();
  }

 private:
  std::optional<T>* value_;
};

}  // namespace roundlab
