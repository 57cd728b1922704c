#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/formats/gguf_value.h"

namespace roundlab {

/// Reads what a GGUF file consists of, front to back, and never past its end. `where` says in
/// messages what was being read ("key 'general.name'").
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, std::string file)
      : bytes_(bytes), file_(std::move(file)) {}

  /// Throws Error("<file>: truncated in <where>: ...") where fewer than sizeof(T) bytes are left.
  template <class T>
  T Scalar(const std::string& where) {
    T value{};
    std::memcpy(&value, Take(sizeof(T), where).data(), sizeof(T));
    return value;
  }
  std::string String(const std::string& where);
  GgufValue Value(const std::string& where);  ///< its type number and then the value

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  [[noreturn]] void Fail(const std::string& message) const { throw Error(file_ + ": " + message); }

 private:
  std::span<const std::byte> Take(std::uint64_t count, const std::string& where);
  GgufValue Array(const std::string& where);
  bool Bool(const std::string& where);
  template <class Stored, class Element>
  std::vector<Element> Elements(std::uint64_t count, const std::string& where);

  std::span<const std::byte> bytes_;
  std::string file_;
  std::size_t position_ = 0;
};

}  // namespace roundlab
