#include "core/formats/gguf_contents.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "core/formats/gguf_reader.h"

namespace roundlab {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint32_t kMaxDimensions = 4;   // GGML_MAX_DIMS
constexpr std::int64_t kDefaultAlignment = 32;

struct GgmlType {
  std::uint32_t number;
  const char* name;
  std::optional<ElementType> type;  // empty: known to ggml, not to us
};

// enum ggml_type of ggml/include/ggml.h.
constexpr std::array<GgmlType, 34> kGgmlTypes = {{
    {0, "F32", ElementType::kF32},        {1, "F16", ElementType::kF16},
    {2, "Q4_0", ElementType::kQ4_0},      {3, "Q4_1", ElementType::kQ4_1},
    {6, "Q5_0", ElementType::kQ5_0},      {7, "Q5_1", ElementType::kQ5_1},
    {8, "Q8_0", ElementType::kQ8_0},      {9, "Q8_1", std::nullopt},
    {10, "Q2_K", ElementType::kQ2_K},     {11, "Q3_K", ElementType::kQ3_K},
    {12, "Q4_K", ElementType::kQ4_K},     {13, "Q5_K", ElementType::kQ5_K},
    {14, "Q6_K", ElementType::kQ6_K},     {15, "Q8_K", std::nullopt},
    {16, "IQ2_XXS", std::nullopt},        {17, "IQ2_XS", std::nullopt},
    {18, "IQ3_XXS", std::nullopt},        {19, "IQ1_S", std::nullopt},
    {20, "IQ4_NL", ElementType::kIQ4_NL}, {21, "IQ3_S", std::nullopt},
    {22, "IQ2_S", std::nullopt},          {23, "IQ4_XS", ElementType::kIQ4_XS},
    {24, "I8", ElementType::kI8},         {25, "I16", ElementType::kI16},
    {26, "I32", ElementType::kI32},       {27, "I64", ElementType::kI64},
    {28, "F64", ElementType::kF64},       {29, "IQ1_M", std::nullopt},
    {30, "BF16", ElementType::kBF16},     {34, "TQ1_0", std::nullopt},
    {35, "TQ2_0", std::nullopt},          {39, "MXFP4", std::nullopt},
    {40, "NVFP4", std::nullopt},          {41, "Q1_0", std::nullopt},
}};

ElementType TypeFromNumber(std::uint32_t number, const std::string& where,
                           const GgufReader& reader) {
  std::string name;
  std::string allowed;
  for (const GgmlType& known : kGgmlTypes) {
    if (known.number == number && known.type) return *known.type;
    if (known.number == number) name = std::string(" (") + known.name + ")";
    if (known.type) allowed += (allowed.empty() ? "" : ", ") + std::string(known.name);
  }
  reader.Fail(where + ": ggml type " + std::to_string(number) + name +
              " is not supported (known: " + allowed + ")");
}

struct Counts {
  std::uint64_t tensors = 0;
  std::uint64_t keys = 0;
};

Counts ReadHead(GgufReader* reader) {
  if (reader->Scalar<std::uint32_t>("the magic") != kMagic) {
    reader->Fail("not a GGUF file: it does not begin with 'GGUF'");
  }
  const auto version = reader->Scalar<std::uint32_t>("the version");
  if (version != 0 && (version & 0xffffU) == 0) reader->Fail("big-endian GGUF is not supported");
  if (version != 2 && version != 3) {
    reader->Fail("GGUF version is " + std::to_string(version) + ", allowed 2 and 3");
  }
  Counts counts;
  counts.tensors = reader->Scalar<std::uint64_t>("the number of tensors");
  counts.keys = reader->Scalar<std::uint64_t>("the number of keys");
  return counts;
}

/// general.alignment: what tensors' offsets and the data's begin are multiples of.
std::uint64_t Alignment(const GgufContents& contents, const GgufReader& reader) {
  const auto found = contents.metadata.find("general.alignment");
  if (found == contents.metadata.end()) return kDefaultAlignment;
  const auto* value = std::get_if<std::uint64_t>(&found->second);
  if (value == nullptr) reader.Fail("key 'general.alignment': expected an unsigned integer");
  if (!std::has_single_bit(*value) || *value > UINT32_MAX) {
    reader.Fail("key 'general.alignment': " + std::to_string(*value) +
                " is not a power of two below 2^32");
  }
  return *value;
}

struct PlacedTensor {
  TensorView view;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

PlacedTensor ReadTensorInfo(GgufReader* reader, std::uint64_t index, const std::string& file) {
  PlacedTensor tensor;
  tensor.view.file = file;
  tensor.view.name = reader->String("the name of tensor " + std::to_string(index));
  const std::string where = "tensor '" + tensor.view.name + "'";
  const auto dimensions = reader->Scalar<std::uint32_t>(where);
  if (dimensions > kMaxDimensions) {
    reader->Fail(where + ": has " + std::to_string(dimensions) + " dimensions, allowed at most " +
                 std::to_string(kMaxDimensions));
  }
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto dimension = reader->Scalar<std::uint64_t>(where);
    if (!std::in_range<std::int64_t>(dimension)) {
      reader->Fail(where + ": dimension " + std::to_string(i) + " is " + std::to_string(dimension) +
                   ", allowed below 2^63");
    }
    tensor.view.shape.insert(tensor.view.shape.begin(), static_cast<std::int64_t>(dimension));
  }
  tensor.view.type = TypeFromNumber(reader->Scalar<std::uint32_t>(where), where, *reader);
  tensor.offset = reader->Scalar<std::uint64_t>(where);
  tensor.size = static_cast<std::uint64_t>(ByteSize(tensor.view));
  return tensor;
}

std::uint64_t RoundUp(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// Points each view into `data`. Tensors lie one after the other, each from the next multiple of
/// the alignment on, as ggml demands; so there are neither overlaps nor holes.
void PlaceTensors(std::vector<PlacedTensor>* tensors, std::span<const std::byte> data,
                  std::uint64_t alignment, const GgufReader& reader) {
  std::stable_sort(tensors->begin(), tensors->end(),
                   [](const PlacedTensor& a, const PlacedTensor& b) {
                     return std::pair(a.offset, a.size) < std::pair(b.offset, b.size);
                   });
  std::uint64_t expected = 0;
  std::string before = "where the data begins";
  for (PlacedTensor& tensor : *tensors) {
    const std::string where = "tensor '" + tensor.view.name + "': ";
    if (tensor.offset != expected) {
      reader.Fail(where + "begins at byte " + std::to_string(tensor.offset) +
                  " of the data, expected " + std::to_string(expected) + ", " + before);
    }
    if (tensor.offset > data.size() || tensor.size > data.size() - tensor.offset) {
      reader.Fail(where + "takes bytes " + std::to_string(tensor.offset) + " to " +
                  std::to_string(tensor.offset + tensor.size) + " of the data, but the file has " +
                  std::to_string(data.size()) + " (truncated?)");
    }
    tensor.view.bytes = data.subspan(static_cast<std::size_t>(tensor.offset),
                                     static_cast<std::size_t>(tensor.size));
    expected = RoundUp(tensor.offset + tensor.size, alignment);
    before = "where '" + tensor.view.name + "' ends (alignment " + std::to_string(alignment) + ")";
  }
}

void SortByName(std::vector<TensorView>* tensors, const GgufReader& reader) {
  const auto by_name = [](const TensorView& a, const TensorView& b) { return a.name < b.name; };
  std::sort(tensors->begin(), tensors->end(), by_name);
  const auto twin =
      std::adjacent_find(tensors->begin(), tensors->end(),
                         [](const TensorView& a, const TensorView& b) { return a.name == b.name; });
  if (twin != tensors->end()) reader.Fail("has tensor '" + twin->name + "' twice");
}

}  // namespace

GgufContents ReadGguf(std::span<const std::byte> bytes, const std::string& file) {
  GgufReader reader(bytes, file);
  GgufContents contents;
  const Counts counts = ReadHead(&reader);
  for (std::uint64_t i = 0; i < counts.keys; ++i) {
    std::string key = reader.String("key " + std::to_string(i));
    GgufValue value = reader.Value("key '" + key + "'");
    if (!contents.metadata.emplace(key, std::move(value)).second) {
      reader.Fail("has key '" + key + "' twice");
    }
  }
  const std::uint64_t alignment = Alignment(contents, reader);
  std::vector<PlacedTensor> placed;
  for (std::uint64_t i = 0; i < counts.tensors; ++i) {
    placed.push_back(ReadTensorInfo(&reader, i, file));
  }
  const std::uint64_t begin = std::min(RoundUp(reader.position(), alignment), bytes.size());
  PlaceTensors(&placed, bytes.subspan(static_cast<std::size_t>(begin)), alignment, reader);
  for (PlacedTensor& tensor : placed) contents.tensors.push_back(std::move(tensor.view));
  SortByName(&contents.tensors, reader);
  return contents;
}

}  // namespace roundlab
