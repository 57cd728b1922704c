#include "core/formats/torch_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/formats/pickle.h"
#include "core/formats/zip_entries.h"

namespace roundlab {
namespace {

using Kind = PickleValue::Kind;
using Entries = std::map<std::string, std::span<const std::byte>>;

constexpr const char* kPickleName = "data.pkl";

constexpr std::array<std::pair<std::string_view, ElementType>, 10> kStorages = {
    {{"torch.FloatStorage", ElementType::kF32},
     {"torch.HalfStorage", ElementType::kF16},
     {"torch.BFloat16Storage", ElementType::kBF16},
     {"torch.DoubleStorage", ElementType::kF64},
     {"torch.LongStorage", ElementType::kI64},
     {"torch.IntStorage", ElementType::kI32},
     {"torch.ShortStorage", ElementType::kI16},
     {"torch.CharStorage", ElementType::kI8},
     {"torch.ByteStorage", ElementType::kU8},
     {"torch.BoolStorage", ElementType::kBool}}};

/// "archive/" of "archive/data.pkl": the folder of all entries, named after the file.
std::string FolderOf(const Entries& entries, const std::string& path) {
  for (const auto& [name, data] : entries) {
    if (name.ends_with(std::string("/") + kPickleName)) {
      return name.substr(0, name.size() - std::string_view(kPickleName).size());
    }
  }
  throw Error(path + ": has no " + kPickleName + ", as files of torch.save do");
}

/// One tensor of the pickle.
class TensorReader {
 public:
  TensorReader(const Entries& entries, const std::string& folder, const std::string& file,
               const std::string& name)
      : entries_(entries), folder_(folder), file_(file), name_(name) {}

  /// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...), which a parameter has as
  /// its first argument.
  TensorView Read(const PickleValue* value) const {
    if (MadeBy(*value) == "torch._utils._rebuild_parameter") value = Arguments(*value, 1).front();
    if (MadeBy(*value) != "torch._utils._rebuild_tensor_v2") Fail(NoTensor(*value));
    const auto& arguments = Arguments(*value, 4);
    if (arguments.size() > 6 && !arguments[6]->items.empty()) {
      Fail("has a conjugate or negative bit: save what resolve_neg makes of it");
    }
    TensorView view;
    view.name = name_;
    view.file = file_;
    view.shape = Integers(*arguments[2]);
    const std::span<const std::byte> storage = Storage(*arguments[0], &view.type);
    const std::int64_t size = ByteSize(view);
    CheckContiguous(view.shape, Integers(*arguments[3]));
    const std::int64_t element = LayoutOf(view.type).bytes;
    const std::int64_t offset = Integer(*arguments[1]);
    const auto held = static_cast<std::int64_t>(storage.size());
    if (size > held || offset < 0 || offset > (held - size) / element) {
      Fail("takes " + std::to_string(size) + " bytes from element " + std::to_string(offset) +
           " of its storage, which has " + std::to_string(storage.size()) + " bytes");
    }
    view.bytes =
        storage.subspan(static_cast<std::size_t>(offset * element), static_cast<std::size_t>(size));
    return view;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(file_ + ": tensor '" + name_ + "': " + what);
  }

  /// What a value is made by; empty where it is made by nothing.
  static std::string_view MadeBy(const PickleValue& value) {
    const bool made = value.kind == Kind::kCall && value.items[0]->kind == Kind::kName;
    return made ? std::string_view(value.items[0]->text) : "";
  }
  static std::string NoTensor(const PickleValue& value) {
    if (value.kind == Kind::kDict) return "is a dictionary, no tensor: save its tensors alone";
    const std::string maker(MadeBy(value));
    return maker.empty() ? "is no tensor" : "is made by " + maker + ", which is not supported";
  }
  const std::vector<const PickleValue*>& Arguments(const PickleValue& call,
                                                   std::size_t least) const {
    const PickleValue& arguments = *call.items[1];
    if (arguments.kind != Kind::kTuple || arguments.items.size() < least) {
      Fail("is called with too few arguments");
    }
    return arguments.items;
  }
  std::int64_t Integer(const PickleValue& value) const {
    if (value.kind != Kind::kInteger) Fail("has no integer where one is expected");
    return value.integer;
  }
  std::vector<std::int64_t> Integers(const PickleValue& value) const {
    if (value.kind != Kind::kTuple) Fail("has no shape or strides");
    std::vector<std::int64_t> integers;
    for (const PickleValue* item : value.items) integers.push_back(Integer(*item));
    return integers;
  }

  /// ('storage', torch.FloatStorage, '17', 'cpu', elements): of its type, entry data/17.
  std::span<const std::byte> Storage(const PickleValue& value, ElementType* type) const {
    const PickleValue* stored = value.kind == Kind::kStored ? value.items.front() : nullptr;
    if (stored == nullptr || stored->items.size() < 3 || stored->items[1]->kind != Kind::kName ||
        stored->items[2]->kind != Kind::kText) {
      Fail("has no storage");
    }
    *type = TypeOf(stored->items[1]->text);
    const auto entry = entries_.find(folder_ + "data/" + stored->items[2]->text);
    if (entry == entries_.end()) Fail("storage '" + stored->items[2]->text + "' is missing");
    return entry->second;
  }
  ElementType TypeOf(const std::string& storage) const {
    for (const auto& [name, type] : kStorages) {
      if (name == storage) return type;
    }
    Fail("is of " + storage + ", which is not supported");
  }

  void CheckContiguous(const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& strides) const {
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
    bool contiguous = shape.size() == strides.size();
    std::int64_t expected = 1;
    for (std::size_t i = shape.size(); contiguous && i-- > 0;) {
      contiguous = shape[i] <= 1 || strides[i] == expected;
      expected *= shape[i];
    }
    if (contiguous) return;
    Fail("shape " + ShapeText(shape) + " with strides " + ShapeText(strides) +
         ": elements do not lie one after another; save a contiguous copy");
  }

  const Entries& entries_;
  const std::string& folder_;
  const std::string& file_;
  const std::string& name_;
};

void CheckByteOrder(const Entries& entries, const std::string& folder, const std::string& path) {
  const auto order = entries.find(folder + "byteorder");
  if (order == entries.end()) return;  // of versions before 2.1
  const std::string_view text(reinterpret_cast<const char*>(order->second.data()),
                              order->second.size());
  if (text != "little")
    throw Error(path + ": byteorder is '" + std::string(text) + "', expected 'little'");
}

}  // namespace

TorchFile::TorchFile(const std::string& path) : TensorFile(path) {
  const Entries entries = ZipEntries(file());
  const std::string folder = FolderOf(entries, path);
  CheckByteOrder(entries, folder, path);
  const Pickle pickle(entries.at(folder + kPickleName), path + ": ");
  const PickleValue& root = pickle.root();
  if (root.kind != Kind::kDict) throw Error(path + ": is no dictionary of tensors");
  std::set<std::string_view> names;
  std::vector<TensorView> tensors;
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue& key = *root.items[i];
    if (key.kind != Kind::kText) throw Error(path + ": a tensor's name is no text");
    if (!names.insert(key.text).second) throw Error(path + ": has tensor '" + key.text + "' twice");
    tensors.push_back(TensorReader(entries, folder, path, key.text).Read(root.items[i + 1]));
  }
  SetTensors(std::move(tensors));
}

}  // namespace roundlab
