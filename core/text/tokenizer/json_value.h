#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/json.h"

namespace roundlab {

/// A value of a JSON document together with the place it stands at, for messages. Every accessor
/// throws Error "<place>: expected a <kind>, got <kind>" where the value is of another kind. The
/// document must outlive it.
class JsonValue {
 public:
  JsonValue(const nlohmann::json* value, std::string place)
      : value_(value), place_(std::move(place)) {}

  bool IsNull() const { return value_->is_null(); }
  bool IsObject() const { return value_->is_object(); }
  bool IsArray() const { return value_->is_array(); }
  bool IsZero() const { return value_->is_number() && value_->get<double>() == 0; }

  const std::string& String() const;
  bool Bool() const;
  double Number() const;
  std::int32_t Id() const;  ///< an integer from 0 to 2^31 - 1
  std::vector<JsonValue> Items() const;
  const nlohmann::json& Object() const;
  const nlohmann::json& Array() const;

  /// The member `key`; throws Error "<place>: missing '<key>'".
  JsonValue At(std::string_view key) const;
  /// The member `key`, nullopt where it is missing or null.
  std::optional<JsonValue> Find(std::string_view key) const;
  bool Has(std::string_view key) const;  ///< also where it is null
  bool BoolOr(std::string_view key, bool fallback) const;

  const std::string& place() const { return place_; }

 private:
  [[noreturn]] void WrongKind(const char* expected) const;
  const nlohmann::json* value_;
  std::string place_;
};

/// Reads and parses a file that Python may have written; an empty optional where there is none.
std::optional<nlohmann::json> ReadJsonFile(const std::string& path);

}  // namespace roundlab
