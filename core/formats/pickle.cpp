#include "core/formats/pickle.h"

#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "core/base/error.h"

namespace roundlab {
namespace {

using Kind = PickleValue::Kind;

/// The machine that a pickle is a program for: a stack and numbered values to come back to.
class PickleReader {
 public:
  PickleReader(std::span<const std::byte> bytes, std::string place, std::deque<PickleValue>* values)
      : bytes_(bytes), place_(std::move(place)), values_(*values) {}

  const PickleValue* Read() {
    for (;;) {
      begin_ = at_;
      const auto code = Number<std::uint8_t>();
      if (code == '.') return Pop();
      if (!Constant(code) && !Collection(code) && !Reference(code)) {
        Fail("instruction " + std::to_string(code) + " is none that a dictionary of tensors takes");
      }
    }
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(place_ + "pickle, byte " + std::to_string(begin_) + ": " + what);
  }

  std::string_view Take(std::uint64_t size) {
    if (size > bytes_.size() - at_) Fail("cut off");
    const auto* data = reinterpret_cast<const char*>(bytes_.data()) + at_;
    at_ += size;
    return {data, size};
  }
  template <class T>
  T Number() {
    T value = 0;
    std::memcpy(&value, Take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string Line() {
    std::string text;
    for (char c = 0; (c = Take(1)[0]) != '\n';) text += c;
    return text;
  }

  PickleValue* Push(Kind kind) {
    values_.emplace_back().kind = kind;
    stack_.push_back(&values_.back());
    return &values_.back();
  }
  void PushInteger(std::int64_t value) { Push(Kind::kInteger)->integer = value; }
  void PushHolder(Kind kind, std::vector<const PickleValue*> items) {
    Push(kind)->items = std::move(items);
  }

  PickleValue* Top() {
    if (stack_.empty()) Fail("takes a value where none is");
    return stack_.back();
  }
  PickleValue* Pop() {
    PickleValue* value = Top();
    if (value->kind == Kind::kMark) Fail("takes a value where none is");
    stack_.pop_back();
    return value;
  }
  std::vector<const PickleValue*> PopMany(std::size_t count) {
    std::vector<const PickleValue*> values(count);
    while (count > 0) values[--count] = Pop();
    return values;
  }
  std::vector<const PickleValue*> PopToMark() {
    std::size_t count = 0;
    while (count < stack_.size() && stack_[stack_.size() - 1 - count]->kind != Kind::kMark) ++count;
    std::vector<const PickleValue*> values = PopMany(count);
    Top();  // the mark
    stack_.pop_back();
    return values;
  }

  std::int64_t LongInteger() {
    const std::string_view bytes = Take(Number<std::uint8_t>());
    if (bytes.size() > sizeof(std::int64_t)) Fail("an integer of more than 64 bits");
    const bool negative = !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0;
    std::int64_t value = negative ? -1 : 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  bool Constant(std::uint8_t code) {
    switch (code) {
      case 0x80:  // protocol
        if (const int version = Number<std::uint8_t>(); version != 2) {
          Fail("protocol " + std::to_string(version) + ", expected 2");
        }
        return true;
      case 'N':   // None
      case 0x88:  // True
      case 0x89:  // False
        Push(Kind::kOther);
        return true;
      case 'J':
        PushInteger(Number<std::int32_t>());
        return true;
      case 'K':
        PushInteger(Number<std::uint8_t>());
        return true;
      case 'M':
        PushInteger(Number<std::uint16_t>());
        return true;
      case 0x8a:
        PushInteger(LongInteger());
        return true;
      case 'G':
        Take(sizeof(double));
        Push(Kind::kOther);
        return true;
      case 'X':
        Push(Kind::kText)->text = Take(Number<std::uint32_t>());
        return true;
      case 'c': {
        const std::string module = Line();
        Push(Kind::kName)->text = module + "." + Line();
        return true;
      }
      default:
        return false;
    }
  }

  bool Collection(std::uint8_t code) {
    switch (code) {
      case '(':
        Push(Kind::kMark);
        return true;
      case ')':
      case ']':
        Push(Kind::kTuple);
        return true;
      case '}':
        Push(Kind::kDict);
        return true;
      case 't':
        PushHolder(Kind::kTuple, PopToMark());
        return true;
      case 0x85:
        PushHolder(Kind::kTuple, PopMany(1));
        return true;
      case 0x86:
        PushHolder(Kind::kTuple, PopMany(2));
        return true;
      case 0x87:
        PushHolder(Kind::kTuple, PopMany(3));
        return true;
      case 'a':
        Extend(Kind::kTuple, PopMany(1));
        return true;
      case 'e':
        Extend(Kind::kTuple, PopToMark());
        return true;
      case 's':
        Extend(Kind::kDict, PopMany(2));
        return true;
      case 'u':
        Extend(Kind::kDict, PopToMark());
        return true;
      default:
        return false;
    }
  }
  void Extend(Kind kind, const std::vector<const PickleValue*>& items) {
    PickleValue* collection = Top();
    if (collection->kind != kind || (kind == Kind::kDict && items.size() % 2 != 0)) {
      Fail("adds to a value that does not take it");
    }
    collection->items.insert(collection->items.end(), items.begin(), items.end());
  }

  bool Reference(std::uint8_t code) {
    switch (code) {
      case 'q':
        memo_[Number<std::uint8_t>()] = Top();
        return true;
      case 'r':
        memo_[Number<std::uint32_t>()] = Top();
        return true;
      case 'h':
        Recall(Number<std::uint8_t>());
        return true;
      case 'j':
        Recall(Number<std::uint32_t>());
        return true;
      case 'Q':
        PushHolder(Kind::kStored, PopMany(1));
        return true;
      case 'R':
        Call(PopMany(2));
        return true;
      case 'b':
        Pop();
        Top();
        return true;  // attributes, as an OrderedDict's versions of modules
      default:
        return false;
    }
  }
  void Recall(std::uint32_t number) {
    const auto found = memo_.find(number);
    if (found == memo_.end()) Fail("value " + std::to_string(number) + " was not kept");
    stack_.push_back(found->second);
  }
  void Call(std::vector<const PickleValue*> parts) {
    const bool dict = parts[0]->kind == Kind::kName &&
                      parts[0]->text == "collections.OrderedDict" && parts[1]->items.empty();
    if (dict) {
      Push(Kind::kDict);
    } else {
      PushHolder(Kind::kCall, std::move(parts));
    }
  }

  std::span<const std::byte> bytes_;
  std::string place_;
  std::deque<PickleValue>& values_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;  // of the instruction
  std::vector<PickleValue*> stack_;
  std::map<std::uint32_t, PickleValue*> memo_;
};

}  // namespace

Pickle::Pickle(std::span<const std::byte> bytes, const std::string& place) {
  root_ = PickleReader(bytes, place, &values_).Read();
}

}  // namespace roundlab
