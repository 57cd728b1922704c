#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"

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

/// The value of that name, where there is one.
template <class E>
std::optional<E> EnumValue(const std::string& name, const EnumNames<E>& names) {
  for (const auto& [value, known] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

/// The names alone, for messages.
template <class E>
std::vector<std::string> NamesOf(const EnumNames<E>& names) {
  std::vector<std::string> known;
  for (const auto& [value, name] : names) known.emplace_back(name);
  return known;
}

}  // namespace roundlab
