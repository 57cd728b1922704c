#include <algorithm>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/formats/safetensors.h"

namespace roundlab {
namespace {

constexpr char kHash[] = "tensors_sha256";  // of all bytes behind the header
constexpr std::size_t kAlignment = 8;       // of the data's begin; the largest element has 8 bytes

/// Widest elements first, then by name: with the data's begin aligned, so is every tensor, and the
/// file does not depend on the order given.
std::vector<const TensorToWrite*> FileOrder(const std::vector<TensorToWrite>& tensors) {
  std::vector<const TensorToWrite*> order;
  order.reserve(tensors.size());
  for (const TensorToWrite& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    return std::pair(-LayoutOf(a->type).bytes, std::string_view(a->name)) <
           std::pair(-LayoutOf(b->type).bytes, std::string_view(b->name));
  });
  return order;
}

void CheckTensor(const TensorToWrite& tensor) {
  ROUNDLAB_CHECK(
      LayoutOf(tensor.type).elements == 1,
      "tensor '" + tensor.name + "': safetensors has no " + ElementTypeName(tensor.type));
  ROUNDLAB_CHECK(tensor.name != "__metadata__", "the format keeps this name for itself");
  const TensorView view{tensor.name, tensor.type, tensor.shape, tensor.bytes, "to write"};
  ROUNDLAB_CHECK(std::cmp_equal(ByteSize(view), tensor.bytes.size()),
                 "tensor '" + tensor.name + "' of shape " + ShapeText(tensor.shape) + " has " +
                     std::to_string(tensor.bytes.size()) + " bytes");
}

/// The header with its length in front and blanks behind, up to a multiple of kAlignment.
std::string Header(const std::vector<const TensorToWrite*>& order,
                   const std::map<std::string, std::string>& metadata, const std::string& path) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  std::size_t begin = 0;
  for (const TensorToWrite* tensor : order) {
    CheckTensor(*tensor);
    ROUNDLAB_CHECK(!json.contains(tensor->name), "tensor '" + tensor->name + "' is given twice");
    const std::size_t end = begin + tensor->bytes.size();
    json[tensor->name] = {{"dtype", ElementTypeName(tensor->type)},
                          {"shape", tensor->shape},
                          {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(path + ": cannot write: a tensor name or metadata is not UTF-8");
  }
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const std::uint64_t length = text.size();
  std::string head(sizeof length, '\0');
  std::memcpy(head.data(), &length, sizeof length);
  return head + text;
}

}  // namespace

void WriteSafetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::vector<const TensorToWrite*> order = FileOrder(tensors);
  const std::string header = Header(order, metadata, path);
  AtomicFile file(path);
  file.Write(header);
  for (const TensorToWrite* tensor : order) file.Write(tensor->bytes);
  file.Commit();
}

void WriteHashed(const std::string& path, const std::vector<TensorToWrite>& tensors,
                 std::map<std::string, std::string> metadata) {
  Sha256 hash;
  for (const TensorToWrite* tensor : FileOrder(tensors)) hash.Update(tensor->bytes);
  metadata[kHash] = hash.HexDigest();
  WriteSafetensors(path, tensors, metadata);
}

void CheckContent(const SafetensorsFile& file) {
  const auto told = file.metadata().find(kHash);
  if (told == file.metadata().end()) return;
  std::vector<std::span<const std::byte>> order;
  for (const TensorView& tensor : file.tensors()) order.push_back(tensor.bytes);
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.data() < b.data(); });
  Sha256 hash;
  for (const auto& bytes : order) hash.Update(bytes);
  if (hash.HexDigest() == told->second) return;
  throw Error(file.path() + ": damaged: its tensors are not what was written");
}

}  // namespace roundlab
