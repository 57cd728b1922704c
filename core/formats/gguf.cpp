#include "core/formats/gguf.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/error.h"
#include "core/formats/gguf_contents.h"

namespace roundlab {

GgufFile::GgufFile(const std::string& path) : file_(path) {
  GgufContents contents = ReadGguf(file_.bytes(), path);
  metadata_ = std::move(contents.metadata);
  tensors_ = std::move(contents.tensors);
}

const TensorView* GgufFile::Find(std::string_view name) const {
  const auto found = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const TensorView& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

const GgufValue& GgufFile::Value(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) throw Error(path() + ": has no key '" + std::string(key) + "'");
  return found->second;
}

void GgufFile::FailKind(std::string_view key, const char* expected) const {
  constexpr std::array kKinds = {
      "a bool",           "an integer",           "an integer",          "a number",
      "a string",         "an array of integers", "an array of numbers", "an array of strings",
      "an array of bools"};
  throw Error(path() + ": key '" + std::string(key) + "' is " + kKinds[Value(key).index()] +
              ", expected " + expected);
}

std::int64_t GgufFile::Integer(std::string_view key) const {
  const GgufValue& value = Value(key);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  const auto* integer = std::get_if<std::uint64_t>(&value);
  if (integer == nullptr) FailKind(key, "an integer");
  if (std::in_range<std::int64_t>(*integer)) return static_cast<std::int64_t>(*integer);
  throw Error(path() + ": key '" + std::string(key) + "' is " + std::to_string(*integer) +
              ", allowed below 2^63");
}

double GgufFile::Real(std::string_view key) const {
  const GgufValue& value = Value(key);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (std::holds_alternative<std::int64_t>(value) || std::holds_alternative<std::uint64_t>(value)) {
    return static_cast<double>(Integer(key));
  }
  FailKind(key, "a number");
}

bool GgufFile::Bool(std::string_view key) const {
  if (const auto* value = std::get_if<bool>(&Value(key))) return *value;
  FailKind(key, "a bool");
}

const std::string& GgufFile::String(std::string_view key) const {
  if (const auto* value = std::get_if<std::string>(&Value(key))) return *value;
  FailKind(key, "a string");
}

const std::vector<std::int64_t>& GgufFile::Integers(std::string_view key) const {
  if (const auto* value = std::get_if<std::vector<std::int64_t>>(&Value(key))) return *value;
  FailKind(key, "an array of integers");
}

const std::vector<double>& GgufFile::Reals(std::string_view key) const {
  if (const auto* value = std::get_if<std::vector<double>>(&Value(key))) return *value;
  FailKind(key, "an array of numbers");
}

const std::vector<std::string>& GgufFile::Strings(std::string_view key) const {
  if (const auto* value = std::get_if<std::vector<std::string>>(&Value(key))) return *value;
  FailKind(key, "an array of strings");
}

}  // namespace roundlab
