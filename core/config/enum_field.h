#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/suggest.h"
#include "core/config/enum_names.h"
#include "core/config/fields.h"

namespace roundlab {

/// One value of an enum, chosen by name.
template <class E>
class EnumField : public ValueField {
 public:
  EnumField(E* value, const EnumNames<E>& names) : value_(value), names_(names) {}

  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind != ConfigNode::Kind::kScalar) {
      diagnostics->push_back({node.where, path + ": expected a name, got " + node.KindName()});
      return;
    }
    const std::optional<E> value = EnumValue(node.scalar, names_);
    if (!value) {
      diagnostics->push_back({node.where, path + ": unknown value '" + node.scalar + "'" +
                                              SuggestionSuffix(node.scalar, NamesOf(names_))});
      return;
    }
    *value_ = *value;
  }
  std::string Write() const override { return EnumName(*value_, names_); }
  std::string Type() const override {
    std::string text;
    for (const auto& [value, name] : names_)
      text += (text.empty() ? "" : " | ") + std::string(name);
    return text;
  }

 private:
  E* value_;
  const EnumNames<E>& names_;
};

/// One value of an enum, or absent.
template <class E>
class OptionalEnum : public ValueField {
 public:
  OptionalEnum(std::optional<E>* value, const EnumNames<E>& names) : value_(value), names_(names) {}

  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    E read{};
    const std::size_t before = diagnostics->size();
    EnumField<E>(&read, names_).Read(node, path, diagnostics);
    if (diagnostics->size() == before) *value_ = read;
  }
  std::string Write() const override {
    return value_->has_value() ? EnumName(**value_, names_) : "";
  }
  std::string Type() const override {
    E none{};
    return EnumField<E>(&none, names_).Type();
  }

 private:
  std::optional<E>* value_;
  const EnumNames<E>& names_;
};

/// A sequence of values of an enum.
template <class E>
class EnumList : public ValueField {
 public:
  EnumList(std::vector<E>* values, const EnumNames<E>& names) : values_(values), names_(names) {}

  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override {
    if (node.kind != ConfigNode::Kind::kSequence) {
      diagnostics->push_back({node.where, path + ": expected a sequence, got " + node.KindName()});
      return;
    }
    values_->assign(node.elements.size(), {});
    for (std::size_t i = 0; i < node.elements.size(); ++i) {
      EnumField<E>(&(*values_)[i], names_)
          .Read(node.elements[i], path + "." + std::to_string(i), diagnostics);
    }
  }
  std::string Write() const override {
    std::string text;
    for (const E value : *values_) {
      text += (text.empty() ? "" : ", ") + EnumName(value, names_);
    }
    return "[" + text + "]";
  }
  std::string Type() const override {
    E none{};
    return "sequence of " + EnumField<E>(&none, names_).Type();
  }

 private:
  std::vector<E>* values_;
  const EnumNames<E>& names_;
};

}  // namespace roundlab
