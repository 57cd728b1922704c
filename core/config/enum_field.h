#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/config/fields.h"

namespace roundlab {

/// The names of an enum's values: the one table by which a config is read, written and documented.
template <class E>
using EnumNames = std::vector<std::pair<E, const char*>>;

/// The name of a value. Throws std::logic_error where the table lacks it.
template <class E>
std::string EnumName(E value, const EnumNames<E>& names) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  ROUNDLAB_CHECK(false, "an enum's value has no name");
}

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
    std::vector<std::string> known;
    for (const auto& [value, name] : names_) {
      known.emplace_back(name);
      if (node.scalar != name) continue;
      *value_ = value;
      return;
    }
    diagnostics->push_back({node.where, path + ": unknown value '" + node.scalar + "'" +
                                            SuggestionSuffix(node.scalar, known)});
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

}  // namespace roundlab
