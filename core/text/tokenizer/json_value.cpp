#include "core/text/tokenizer/json_value.h"

#include <filesystem>
#include <limits>

#include "core/base/error.h"
#include "core/base/files.h"

namespace roundlab {

using nlohmann::json;

void JsonValue::WrongKind(const char* expected) const {
  throw Error(place_ + ": expected " + expected + ", got " + value_->type_name());
}

const std::string& JsonValue::String() const {
  if (!value_->is_string()) WrongKind("a string");
  return value_->get_ref<const std::string&>();
}

bool JsonValue::Bool() const {
  if (!value_->is_boolean()) WrongKind("true or false");
  return value_->get<bool>();
}

double JsonValue::Number() const {
  if (!value_->is_number()) WrongKind("a number");
  return value_->get<double>();
}

std::int32_t JsonValue::Id() const {
  constexpr auto kLargest = std::numeric_limits<std::int32_t>::max();
  if (!value_->is_number_unsigned() || value_->get<std::uint64_t>() > kLargest) {
    throw Error(place_ + ": expected an integer from 0 to 2147483647, got " +
                (value_->is_number() ? value_->dump() : value_->type_name()));
  }
  return value_->get<std::int32_t>();
}

const json& JsonValue::Object() const {
  if (!value_->is_object()) WrongKind("an object");
  return *value_;
}

const json& JsonValue::Array() const {
  if (!value_->is_array()) WrongKind("an array");
  return *value_;
}

std::vector<JsonValue> JsonValue::Items() const {
  std::vector<JsonValue> items;
  for (const json& item : Array()) {
    items.emplace_back(&item, place_ + "[" + std::to_string(items.size()) + "]");
  }
  return items;
}

JsonValue JsonValue::At(std::string_view key) const {
  const json& object = Object();
  const auto member = object.find(key);
  if (member == object.end()) throw Error(place_ + ": missing '" + std::string(key) + "'");
  return {&*member, place_ + "." + std::string(key)};
}

std::optional<JsonValue> JsonValue::Find(std::string_view key) const {
  const json& object = Object();
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return std::nullopt;
  return JsonValue(&*member, place_ + "." + std::string(key));
}

bool JsonValue::Has(std::string_view key) const {
  const json& object = Object();
  return object.find(key) != object.end();
}

bool JsonValue::BoolOr(std::string_view key, bool fallback) const {
  const std::optional<JsonValue> member = Find(key);
  return member.has_value() ? member->Bool() : fallback;
}

std::optional<json> ReadJsonFile(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return ParsePythonJson(ReadFile(path), path);
}

}  // namespace roundlab
