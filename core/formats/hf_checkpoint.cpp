#include "core/formats/hf_checkpoint.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/base/keys.h"
#include "core/formats/json.h"
#include "core/formats/mapped_file.h"
#include "core/formats/mxfp4.h"
#include "core/formats/safetensors.h"
#include "core/formats/torch_file.h"

namespace roundlab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kTorchIndexName = "pytorch_model.bin.index.json";
constexpr const char* kTorchSingleName = "pytorch_model.bin";

using TensorFiles = std::map<std::string, std::unique_ptr<const TensorFile>>;  // by file name

std::unique_ptr<const TensorFile> OpenFile(const fs::path& path) {
  if (path.extension() == ".bin") return std::make_unique<TorchFile>(path.string());
  return std::make_unique<SafetensorsFile>(path.string());
}

/// Also true where it can't be looked at: opening it then says why.
bool MayExist(const fs::path& path) {
  std::error_code error;
  return fs::status(path, error).type() != fs::file_type::not_found;
}

class HfCheckpoint : public Checkpoint {
 public:
  /// `file` stands for the whole in messages.
  HfCheckpoint(std::string file, TensorFiles shards)
      : file_(std::move(file)), shards_(std::move(shards)) {
    for (const auto& [shard, contents] : shards_) {
      for (const TensorView& tensor : contents->tensors()) {
        const auto [twin, added] = tensors_.emplace(tensor.name, &tensor);
        if (added) continue;
        throw Error(file_ + ": tensor '" + tensor.name + "' is both in " +
                    fs::path(twin->second->file).filename().string() + " and in " + shard);
      }
    }
    ScaleFloat8();
    JoinMxFp4();
  }

  const TensorView* Find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }

  std::vector<std::string> Names() const override { return Keys(tensors_); }

  using Checkpoint::Read;
  void Read(std::string_view name, std::span<float> out) const override {
    ReadFinite(Get(name, file_), out);
  }

 private:
  void ScaleFloat8() {
    for (auto& [name, tensor] : tensors_) {
      const auto factors = tensors_.find(name + "_scale_inv");
      if (tensor->type != ElementType::kF8E4M3 || factors == tensors_.end()) continue;
      scaled_.push_back(*tensor);
      scaled_.back().factors = factors->second;
      tensor = &scaled_.back();
    }
  }

  void JoinMxFp4() {
    const std::string_view end = "_blocks";
    for (const std::string& stored : Names()) {
      if (!stored.ends_with(end)) continue;
      const std::string name = stored.substr(0, stored.size() - end.size());
      const auto blocks = tensors_.find(stored);
      const auto scales = tensors_.find(name + "_scales");
      if (scales == tensors_.end() || tensors_.count(name) > 0) continue;
      if (blocks->second->type != ElementType::kU8 || scales->second->type != ElementType::kU8)
        continue;
      scaled_.push_back(MxFp4View(*blocks->second, *scales->second, name));
      tensors_.erase(blocks);
      tensors_.emplace(name, &scaled_.back());
    }
  }

  std::string file_;
  TensorFiles shards_;
  std::deque<TensorView> scaled_;  // those of 4 and 8 bits, which have factors
  std::map<std::string, const TensorView*, std::less<>> tensors_;
};

/// weight_map of the index: tensor to shard.
std::map<std::string, std::string> ReadIndex(const std::string& path) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  const Json index = ParseJson(text, path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw Error(path + ": has no object 'weight_map'");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || fs::path(name).filename() != name || name == "." || name == "..") {
      throw Error(path + ": weight_map of tensor '" + tensor + "' is " +
                  shard.dump(-1, ' ', true, Json::error_handler_t::replace) +
                  ", expected the name of a file beside the index");
    }
    shards[tensor] = name;
  }
  return shards;
}

std::unique_ptr<Checkpoint> OpenSharded(const fs::path& folder, const std::string& index) {
  const std::map<std::string, std::string> shard_of = ReadIndex(index);
  TensorFiles shards;
  for (const auto& [tensor, shard] : shard_of) {
    if (shards.find(shard) == shards.end()) {
      if (!MayExist(folder / shard)) {
        throw Error(index + ": shard '" + shard + "' is missing (it has tensor '" + tensor + "')");
      }
      shards.emplace(shard, OpenFile(folder / shard));
    }
    if (shards.at(shard)->Find(tensor) == nullptr) {
      throw Error(index + ": tensor '" + tensor + "' is not in its shard '" + shard + "'");
    }
  }
  return std::make_unique<HfCheckpoint>(index, std::move(shards));
}

std::unique_ptr<Checkpoint> OpenSingle(const std::string& path) {
  TensorFiles files;
  files.emplace(fs::path(path).filename().string(), OpenFile(path));
  return std::make_unique<HfCheckpoint>(path, std::move(files));
}

}  // namespace

std::unique_ptr<Checkpoint> OpenHfFolder(const std::string& folder) {
  const fs::path root(folder);
  // In the order of the transformers library: an index may be left over.
  if (MayExist(root / kSingleName)) return OpenSingle((root / kSingleName).string());
  if (MayExist(root / kIndexName)) return OpenSharded(root, (root / kIndexName).string());
  if (MayExist(root / kTorchSingleName)) return OpenSingle((root / kTorchSingleName).string());
  if (MayExist(root / kTorchIndexName)) return OpenSharded(root, (root / kTorchIndexName).string());
  std::error_code error;
  std::vector<std::string> found;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".safetensors") found.push_back(entry->path().filename());
  }
  if (error) throw Error(folder + ": cannot open: " + error.message());
  if (found.size() == 1) return OpenSingle((root / found.front()).string());
  if (found.empty()) {
    throw Error(folder + ": no .safetensors file in this folder, and no " + kTorchSingleName);
  }
  std::sort(found.begin(), found.end());
  std::string list;
  for (const std::string& name : found) list += (list.empty() ? "" : ", ") + name;
  throw Error(folder + ": " + std::to_string(found.size()) + " .safetensors files (" + list +
              "), but neither " + kIndexName + " nor " + kSingleName);
}

}  // namespace roundlab
