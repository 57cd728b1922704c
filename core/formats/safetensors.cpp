#include "core/formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "core/base/error.h"
#include "core/base/suggest.h"
#include "core/formats/json.h"

namespace roundlab {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit, against hostile files

constexpr std::array kReadTypes = {ElementType::kF64,  ElementType::kF32, ElementType::kF16,
                                   ElementType::kBF16, ElementType::kI64, ElementType::kI32,
                                   ElementType::kI16,  ElementType::kI8,  ElementType::kU8,
                                   ElementType::kBool};
// A tensor may have them where nothing needs it.
constexpr std::array kPassedTypes = {
    ElementType::kF8E4M3, ElementType::kF8E5M2, ElementType::kF8E8M0, ElementType::kU16,
    ElementType::kU32,    ElementType::kU64,    ElementType::kC64};

ElementType TypeFromName(const std::string& name, const std::string& place) {
  for (const ElementType type : kPassedTypes) {
    if (name == ElementTypeName(type)) return type;
  }
  std::vector<std::string> known;
  for (const ElementType type : kReadTypes) {
    if (name == ElementTypeName(type)) return type;
    known.emplace_back(ElementTypeName(type));
  }
  throw Error(place + "dtype '" + name + "' is not supported" + SuggestionSuffix(name, known));
}

std::string_view HeaderText(const MappedFile& file) {
  const std::span<const std::byte> bytes = file.bytes();
  const std::string place = file.path() + ": ";
  if (bytes.size() < kLengthBytes) {
    throw Error(place + "truncated: " + std::to_string(bytes.size()) +
                " bytes, expected at least the 8 of the header's length");
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeader) {
    throw Error(place + "not a safetensors file: header length is " + std::to_string(length) +
                ", allowed at most " + std::to_string(kMaxHeader));
  }
  if (length > bytes.size() - kLengthBytes) {
    throw Error(place + "truncated: header length is " + std::to_string(length) + ", but " +
                std::to_string(bytes.size() - kLengthBytes) + " bytes follow");
  }
  return {reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length};
}

/// The header as JSON, with keys checked to be unique (a plain parse keeps the last one silently).
Json ParseHeader(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check_keys = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(parsed.get<std::string>()).second) {
      throw Error(file + ": header has '" + parsed.get<std::string>() + "' twice");
    }
    return true;
  };
  try {
    Json header = Json::parse(text, check_keys);
    if (header.is_object() && JsonDepth(text) <= kDeepestJson) return header;
    if (header.is_object()) {
      throw Error(file + ": header has values in one another deeper than " +
                  std::to_string(kDeepestJson));
    }
    throw Error(file + ": header is JSON of type " + header.type_name() + ", expected object");
  } catch (const Json::parse_error& error) {
    throw Error(file + ": header is not JSON: error at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {  // a number beyond double
    throw Error(file + ": header holds a number out of range");
  }
}

const Json& Field(const Json& entry, const char* key, const std::string& place) {
  if (!entry.is_object()) {
    throw Error(place + "is JSON of type " + entry.type_name() +
                ", expected object with dtype, shape and data_offsets");
  }
  const auto found = entry.find(key);
  if (found == entry.end()) throw Error(place + "has no " + key);
  return *found;
}

std::optional<std::vector<std::int64_t>> Integers(const Json& json) {
  if (!json.is_array()) return std::nullopt;
  std::vector<std::int64_t> values;
  for (const Json& element : json) {
    if (!element.is_number_unsigned() || element.get<std::uint64_t>() > INT64_MAX) {
      return std::nullopt;
    }
    values.push_back(element.get<std::int64_t>());
  }
  return values;
}

/// JSON for a message: on one line, not longer than a line.
std::string Excerpt(const Json& json) {
  const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 80 ? text : text.substr(0, 80) + "...";
}

std::vector<std::int64_t> IntegersField(const Json& entry, const char* key,
                                        const std::string& place) {
  const Json& field = Field(entry, key, place);
  if (auto values = Integers(field)) return *values;
  throw Error(place + key + " is " + Excerpt(field) +
              ", expected an array of integers in [0, 2^63)");
}

TensorView ReadEntry(const std::string& name, const Json& entry, const std::string& file,
                     std::span<const std::byte> data) {
  const std::string place = file + ": tensor '" + name + "': ";
  TensorView view;
  view.name = name;
  view.file = file;
  const Json& dtype = Field(entry, "dtype", place);
  if (!dtype.is_string()) throw Error(place + "dtype is " + Excerpt(dtype) + ", expected a string");
  view.type = TypeFromName(dtype.get<std::string>(), place);
  view.shape = IntegersField(entry, "shape", place);
  const std::vector<std::int64_t> offsets = IntegersField(entry, "data_offsets", place);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    throw Error(place + "data_offsets is " + ShapeText(offsets) + ", expected [begin, end]");
  }
  const std::int64_t size = ByteSize(view);
  if (offsets[1] - offsets[0] != size) {
    throw Error(place + ElementTypeName(view.type) + " of shape " + ShapeText(view.shape) +
                " takes " + std::to_string(size) + " bytes, data_offsets " + ShapeText(offsets) +
                " are " + std::to_string(offsets[1] - offsets[0]));
  }
  if (std::cmp_greater(offsets[1], data.size())) {
    throw Error(place + "ends at byte " + std::to_string(offsets[1]) +
                " of the data, but the file has " + std::to_string(data.size()) + " (truncated?)");
  }
  view.bytes = data.subspan(static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(size));
  return view;
}

/// The format allows neither overlap nor hole: sorted by place, each begins where the last ended.
void CheckContiguous(std::vector<TensorView>* tensors, std::span<const std::byte> data,
                     const std::string& file) {
  std::sort(tensors->begin(), tensors->end(), [](const TensorView& a, const TensorView& b) {
    return std::forward_as_tuple(a.bytes.data(), a.bytes.size(), a.name) <
           std::forward_as_tuple(b.bytes.data(), b.bytes.size(), b.name);
  });
  std::int64_t end = 0;
  std::string before = "where the data begins";
  for (const TensorView& tensor : *tensors) {
    const std::int64_t begin = tensor.bytes.data() - data.data();
    if (begin != end) {
      throw Error(file + ": tensor '" + tensor.name + "': begins at byte " + std::to_string(begin) +
                  " of the data, expected " + std::to_string(end) + ", " + before);
    }
    end += static_cast<std::int64_t>(tensor.bytes.size());
    before = "where '" + tensor.name + "' ends";
  }
  if (std::cmp_not_equal(end, data.size())) {
    throw Error(file + ": has " + std::to_string(data.size()) + " bytes of data, expected " +
                std::to_string(end) + ", " + before);
  }
}

std::map<std::string, std::string> ReadMetadata(const Json& json, const std::string& file) {
  std::map<std::string, std::string> metadata;
  if (!json.is_object()) {
    throw Error(file + ": __metadata__ is JSON of type " + json.type_name() + ", expected object");
  }
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      throw Error(file + ": __metadata__ '" + key + "' is " + Excerpt(value) +
                  ", expected a string");
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : TensorFile(path) {
  const std::string_view text = HeaderText(file());
  const auto data = file().bytes().subspan(kLengthBytes + text.size());
  const Json header = ParseHeader(text, path);
  std::vector<TensorView> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      metadata_ = ReadMetadata(entry, path);
      continue;
    }
    tensors.push_back(ReadEntry(name, entry, path, data));
  }
  CheckContiguous(&tensors, data, path);
  SetTensors(std::move(tensors));
}

}  // namespace roundlab
