#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace roundlab {

/// A Python value that a pickle describes. Nothing of what a pickle names is ever called.
struct PickleValue {
  enum class Kind {
    kOther,  ///< None, a truth value, a float: nothing that a tensor is found by
    kInteger,
    kText,
    kTuple,   ///< also lists
    kDict,    ///< items: key, value, key, value, ... (an OrderedDict too)
    kName,    ///< text: "torch._utils._rebuild_tensor_v2"
    kCall,    ///< items: what is called, its arguments as a tuple
    kStored,  ///< items: the tuple by which a value is found outside the pickle ("persistent id")
    kMark     // between values that are being read; never in a result
  };
  Kind kind = Kind::kOther;
  std::int64_t integer = 0;
  std::string text;
  std::vector<const PickleValue*> items;
};

/// The values of one pickle of protocol 2, which torch.save writes: those instructions that a
/// dictionary of tensors takes (Python, Lib/pickletools.py).
class Pickle {
 public:
  /// `place` begins messages. Throws Error naming byte and instruction where the pickle is cut off,
  /// not well-formed, or has an instruction that a dictionary of tensors does not take.
  Pickle(std::span<const std::byte> bytes, const std::string& place);

  const PickleValue& root() const { return *root_; }

 private:
  std::deque<PickleValue> values_;  // each refers to others of these
  const PickleValue* root_ = nullptr;
};

}  // namespace roundlab
