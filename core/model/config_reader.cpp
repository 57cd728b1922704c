#include "core/model/config_reader.h"

#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

using nlohmann::json;

constexpr std::int64_t kLargest = 1 << 24;

}  // namespace

ConfigReader::ConfigReader(json root, std::string file)
    : root_(std::move(root)), file_(std::move(file)) {}

void ConfigReader::Fail(const std::string& message) const { throw Error(file_ + ": " + message); }

bool ConfigReader::Has(const char* key) const {
  const auto found = root_.find(key);
  return found != root_.end() && !found->is_null();
}

const json& ConfigReader::Value(const char* key) const {
  if (!Has(key)) Fail("missing key '" + std::string(key) + "'");
  return root_.at(key);
}

ConfigReader ConfigReader::Inside(const char* key) const {
  const json& value = Value(key);
  if (!value.is_object()) Fail(std::string(key) + ": expected an object");
  return {value, file_ + ": " + key};
}

ConfigReader ConfigReader::Over(const json& absent) const {
  json keys = root_;
  for (const auto& [key, value] : absent.items()) {
    if (!Has(key.c_str())) keys[key] = value;
  }
  return {std::move(keys), file_};
}

std::int64_t ConfigReader::Int(const char* key) const {
  const json& value = Value(key);
  if (!value.is_number_integer() || value < 1) {
    Fail(std::string(key) + ": expected a positive integer, got " + value.dump());
  }
  if (value > kLargest) {
    Fail(std::string(key) + ": " + value.dump() + " is above " + std::to_string(kLargest));
  }
  return value.get<std::int64_t>();
}

std::int64_t ConfigReader::IntOr(const char* key, std::int64_t absent) const {
  return Has(key) ? Int(key) : absent;
}

std::int64_t ConfigReader::AnyIntOr(const char* key, std::int64_t absent) const {
  if (!Has(key)) return absent;
  const json& value = root_.at(key);
  if (!value.is_number_integer()) {
    Fail(std::string(key) + ": expected an integer, got " + value.dump());
  }
  return value.get<std::int64_t>();
}

double ConfigReader::Positive(const char* key) const {
  const json& value = Value(key);
  if (!value.is_number() || !(value.get<double>() > 0)) {
    Fail(std::string(key) + ": expected a positive number, got " + value.dump());
  }
  return value.get<double>();
}

double ConfigReader::PositiveOr(const char* key, double absent) const {
  return Has(key) ? Positive(key) : absent;
}

bool ConfigReader::BoolOr(const char* key, bool absent) const {
  if (!Has(key)) return absent;
  const json& value = root_.at(key);
  if (!value.is_boolean()) {
    Fail(std::string(key) + ": expected true or false, got " + value.dump());
  }
  return value.get<bool>();
}

std::string ConfigReader::TextOr(const char* key, const std::string& absent) const {
  if (!Has(key)) return absent;
  const json& value = root_.at(key);
  if (!value.is_string()) Fail(std::string(key) + ": expected a text, got " + value.dump());
  return value.get<std::string>();
}

std::vector<std::int64_t> ConfigReader::Integers(const char* key) const {
  std::vector<std::int64_t> integers;
  if (!Has(key)) return integers;
  const json& values = root_.at(key);
  for (const json& value : values) {
    if (!values.is_array() || !value.is_number_integer()) break;
    integers.push_back(value.get<std::int64_t>());
  }
  if (!values.is_array() || integers.size() != values.size()) {
    Fail(std::string(key) + ": expected an array of integers, got " + values.dump());
  }
  return integers;
}

std::vector<float> ConfigReader::Numbers(const char* key) const {
  const json& values = Value(key);
  std::vector<float> numbers;
  for (const json& value : values) {
    if (!values.is_array() || !value.is_number() || !(value.get<double>() > 0)) break;
    numbers.push_back(value.get<float>());
  }
  if (!values.is_array() || numbers.size() != values.size()) {
    Fail(std::string(key) + ": expected an array of positive numbers");
  }
  return numbers;
}

std::optional<std::int32_t> ConfigReader::TokenId(const char* key) const {
  if (!Has(key)) return std::nullopt;
  const json& value =
      root_.at(key).is_array() && !root_.at(key).empty() ? root_.at(key).front() : root_.at(key);
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<std::int32_t>();
}

}  // namespace roundlab
