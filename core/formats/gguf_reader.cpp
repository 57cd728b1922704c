#include "core/formats/gguf_reader.h"

#include <limits>
#include <utility>

namespace roundlab {
namespace {

// gguf_metadata_value_type of ggml docs/gguf.md.
enum class ValueType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};
constexpr std::uint32_t kValueTypes = 13;

}  // namespace

std::span<const std::byte> GgufReader::Take(std::uint64_t count, const std::string& where) {
  if (count > remaining()) {
    Fail("truncated in " + where + ": " + std::to_string(count) + " bytes expected at offset " +
         std::to_string(position_) + ", " + std::to_string(remaining()) + " are left");
  }
  const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
  position_ += taken.size();
  return taken;
}

std::string GgufReader::String(const std::string& where) {
  const auto length = Scalar<std::uint64_t>(where);
  const auto taken = Take(length, where);
  return {reinterpret_cast<const char*>(taken.data()), taken.size()};
}

bool GgufReader::Bool(const std::string& where) {
  const auto value = Scalar<std::uint8_t>(where);
  if (value > 1) Fail(where + ": bool is " + std::to_string(value) + ", expected 0 or 1");
  return value == 1;
}

template <class Stored, class Element>
std::vector<Element> GgufReader::Elements(std::uint64_t count, const std::string& where) {
  if (count > remaining() / sizeof(Stored)) {
    Fail("truncated in " + where + ": " + std::to_string(count) + " elements of " +
         std::to_string(sizeof(Stored)) + " bytes expected, " + std::to_string(remaining()) +
         " bytes are left");
  }
  std::vector<Element> elements;
  elements.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto value = Scalar<Stored>(where);
    if constexpr (std::is_integral_v<Stored>) {
      if (!std::in_range<std::int64_t>(value)) {
        Fail(where + ": element " + std::to_string(i) + " is " + std::to_string(value) +
             ", allowed below 2^63");
      }
    }
    elements.push_back(static_cast<Element>(value));
  }
  return elements;
}

GgufValue GgufReader::Array(const std::string& where) {
  const auto type = Scalar<std::uint32_t>(where);
  const auto count = Scalar<std::uint64_t>(where);
  switch (static_cast<ValueType>(type)) {
    case ValueType::kU8:
      return Elements<std::uint8_t, std::int64_t>(count, where);
    case ValueType::kI8:
      return Elements<std::int8_t, std::int64_t>(count, where);
    case ValueType::kU16:
      return Elements<std::uint16_t, std::int64_t>(count, where);
    case ValueType::kI16:
      return Elements<std::int16_t, std::int64_t>(count, where);
    case ValueType::kU32:
      return Elements<std::uint32_t, std::int64_t>(count, where);
    case ValueType::kI32:
      return Elements<std::int32_t, std::int64_t>(count, where);
    case ValueType::kU64:
      return Elements<std::uint64_t, std::int64_t>(count, where);
    case ValueType::kI64:
      return Elements<std::int64_t, std::int64_t>(count, where);
    case ValueType::kF32:
      return Elements<float, double>(count, where);
    case ValueType::kF64:
      return Elements<double, double>(count, where);
    case ValueType::kBool: {
      std::vector<bool> values;
      for (std::uint64_t i = 0; i < count; ++i) values.push_back(Bool(where));
      return values;
    }
    case ValueType::kString: {
      std::vector<std::string> values;
      for (std::uint64_t i = 0; i < count; ++i) values.push_back(String(where));
      return values;
    }
    case ValueType::kArray:
      Fail(where + ": arrays of arrays are not supported");
  }
  Fail(where + ": array element type is " + std::to_string(type) + ", allowed 0 to " +
       std::to_string(kValueTypes - 1));
}

GgufValue GgufReader::Value(const std::string& where) {
  const auto type = Scalar<std::uint32_t>(where);
  switch (static_cast<ValueType>(type)) {
    case ValueType::kU8:
      return std::uint64_t{Scalar<std::uint8_t>(where)};
    case ValueType::kU16:
      return std::uint64_t{Scalar<std::uint16_t>(where)};
    case ValueType::kU32:
      return std::uint64_t{Scalar<std::uint32_t>(where)};
    case ValueType::kU64:
      return Scalar<std::uint64_t>(where);
    case ValueType::kI8:
      return std::int64_t{Scalar<std::int8_t>(where)};
    case ValueType::kI16:
      return std::int64_t{Scalar<std::int16_t>(where)};
    case ValueType::kI32:
      return std::int64_t{Scalar<std::int32_t>(where)};
    case ValueType::kI64:
      return Scalar<std::int64_t>(where);
    case ValueType::kF32:
      return double{Scalar<float>(where)};
    case ValueType::kF64:
      return Scalar<double>(where);
    case ValueType::kBool:
      return Bool(where);
    case ValueType::kString:
      return String(where);
    case ValueType::kArray:
      return Array(where);
  }
  Fail(where + ": value type is " + std::to_string(type) + ", allowed 0 to " +
       std::to_string(kValueTypes - 1));
}

}  // namespace roundlab
