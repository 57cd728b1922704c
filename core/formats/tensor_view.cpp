#include "core/formats/tensor_view.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/formats/gguf_decode.h"
#include "core/formats/half.h"

namespace roundlab {

static_assert(std::endian::native == std::endian::little, "files are read as they lie in memory");

namespace {

struct TypeFacts {
  ElementType type;
  const char* name;
  BlockLayout layout;
};

// In the order of ElementType. Block sizes: ggml/src/ggml-common.h (block_q4_0, ...).
constexpr std::array<TypeFacts, 30> kTypes = {{
    {ElementType::kF32, "F32", {1, 4}},         {ElementType::kF16, "F16", {1, 2}},
    {ElementType::kBF16, "BF16", {1, 2}},       {ElementType::kF64, "F64", {1, 8}},
    {ElementType::kI64, "I64", {1, 8}},         {ElementType::kI32, "I32", {1, 4}},
    {ElementType::kI16, "I16", {1, 2}},         {ElementType::kI8, "I8", {1, 1}},
    {ElementType::kU8, "U8", {1, 1}},           {ElementType::kBool, "BOOL", {1, 1}},
    {ElementType::kF8E4M3, "F8_E4M3", {1, 1}},  {ElementType::kF8E5M2, "F8_E5M2", {1, 1}},
    {ElementType::kF8E8M0, "F8_E8M0", {1, 1}},  {ElementType::kU16, "U16", {1, 2}},
    {ElementType::kU32, "U32", {1, 4}},         {ElementType::kU64, "U64", {1, 8}},
    {ElementType::kC64, "C64", {1, 8}},         {ElementType::kMxFp4, "MXFP4", {32, 16}},
    {ElementType::kQ4_0, "Q4_0", {32, 18}},     {ElementType::kQ4_1, "Q4_1", {32, 20}},
    {ElementType::kQ5_0, "Q5_0", {32, 22}},     {ElementType::kQ5_1, "Q5_1", {32, 24}},
    {ElementType::kQ8_0, "Q8_0", {32, 34}},     {ElementType::kQ2_K, "Q2_K", {256, 84}},
    {ElementType::kQ3_K, "Q3_K", {256, 110}},   {ElementType::kQ4_K, "Q4_K", {256, 144}},
    {ElementType::kQ5_K, "Q5_K", {256, 176}},   {ElementType::kQ6_K, "Q6_K", {256, 210}},
    {ElementType::kIQ4_NL, "IQ4_NL", {32, 18}}, {ElementType::kIQ4_XS, "IQ4_XS", {256, 136}},
}};

const TypeFacts& FactsOf(ElementType type) {
  const auto index = static_cast<std::size_t>(type);
  ROUNDLAB_CHECK(index < kTypes.size() && kTypes[index].type == type,
                 "element type " + std::to_string(index));
  return kTypes[index];
}

std::string WeightTypes() {
  std::string list;
  for (const TypeFacts& facts : kTypes) {
    if (HoldsWeights(facts.type)) list += (list.empty() ? "" : ", ") + std::string(facts.name);
  }
  return list;
}

/// out[i] = widen(the i-th Stored of bytes). Files need not align what they store.
template <class Stored, class Widen>
void WidenAll(const std::byte* __restrict bytes, std::size_t count, float* __restrict out,
              Widen widen) {
  for (std::size_t i = 0; i < count; ++i) {
    Stored value;
    std::memcpy(&value, bytes + i * sizeof(Stored), sizeof(Stored));
    out[i] = widen(value);
  }
}

}  // namespace

bool HoldsWeights(ElementType type) {
  return type <= ElementType::kF64 || type >= ElementType::kQ4_0;
}

const char* ElementTypeName(ElementType type) { return FactsOf(type).name; }

BlockLayout LayoutOf(ElementType type) { return FactsOf(type).layout; }

std::int64_t TensorView::ElementCount() const {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) count *= dimension;
  return count;
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::int64_t ByteSize(ElementType type, std::int64_t count) {
  const auto [elements, bytes] = LayoutOf(type);
  ROUNDLAB_CHECK(count >= 0, "count " + std::to_string(count));
  if (count % elements != 0) {
    throw Error(std::to_string(count) + " elements are not whole " + ElementTypeName(type) +
                " blocks of " + std::to_string(elements));
  }
  std::int64_t size = 0;
  if (__builtin_mul_overflow(count / elements, bytes, &size)) {
    throw Error(std::to_string(count) + " elements of " + ElementTypeName(type) +
                " are more bytes than a file can hold");
  }
  return size;
}

std::int64_t ByteSize(const TensorView& tensor) {
  const std::string place = tensor.file + ": tensor '" + tensor.name + "': ";
  std::int64_t count = 1;
  for (const std::int64_t dimension : tensor.shape) {
    if (dimension < 0) {
      throw Error(place + "shape " + ShapeText(tensor.shape) + " has a negative dimension");
    }
    if (__builtin_mul_overflow(count, dimension, &count)) {
      throw Error(place + "shape " + ShapeText(tensor.shape) + " has more than 2^63 - 1 elements");
    }
  }
  try {
    ByteSize(tensor.type, tensor.shape.empty() ? 1 : tensor.shape.back());
    return ByteSize(tensor.type, count);
  } catch (const Error& error) {
    throw Error(place + "shape " + ShapeText(tensor.shape) + ": " + error.what());
  }
}

void RequireWeights(const TensorView& tensor) {
  if (HoldsWeights(tensor.type)) return;
  throw Error(tensor.file + ": tensor '" + tensor.name + "' is " + ElementTypeName(tensor.type) +
              ", expected weights (" + WeightTypes() + ")");
}

void DecodeToFloat(const TensorView& tensor, std::span<float> out) {
  const auto count = static_cast<std::size_t>(tensor.ElementCount());
  ROUNDLAB_CHECK(out.size() == count, "tensor '" + tensor.name + "' has " + std::to_string(count) +
                                          " elements, out " + std::to_string(out.size()));
  ROUNDLAB_CHECK(
      std::cmp_equal(tensor.bytes.size(), ByteSize(tensor)),
      "tensor '" + tensor.name + "' has " + std::to_string(tensor.bytes.size()) + " bytes");
  const std::byte* bytes = tensor.bytes.data();
  RequireWeights(tensor);
  switch (tensor.type) {
    case ElementType::kF32:
      if (count > 0) std::memcpy(out.data(), bytes, count * sizeof(float));
      return;
    case ElementType::kF16:
      return WidenAll<std::uint16_t>(bytes, count, out.data(), HalfToFloat);
    case ElementType::kBF16:
      return WidenAll<std::uint16_t>(bytes, count, out.data(), BFloat16ToFloat);
    case ElementType::kF64:
      return WidenAll<double>(bytes, count, out.data(),
                              [](double value) { return static_cast<float>(value); });
    default:
      return DecodeBlocks(tensor.type, tensor.bytes, out);
  }
}

}  // namespace roundlab
