#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/core/formats/format_files.h"

namespace roundlab::testing {

/// Puts GGUF files together (ggml docs/gguf.md), honest unless told to lie.
class GgufBuilder {
 public:
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::optional<std::uint64_t> tensor_count;  ///< a lie about it
  std::optional<std::uint64_t> key_count;

  static std::string String(std::string_view text) {
    return Bytes<std::uint64_t>(text.size()) + std::string(text);
  }
  /// `type`: number of the value type; `value`: its bytes.
  GgufBuilder& Key(std::string_view key, std::uint32_t type, const std::string& value) {
    keys_ += String(key) + Bytes(type) + value;
    ++keys_written_;
    return *this;
  }
  GgufBuilder& Text(std::string_view key, std::string_view value) {
    return Key(key, 8, String(value));
  }
  GgufBuilder& U32(std::string_view key, std::uint32_t value) { return Key(key, 4, Bytes(value)); }
  GgufBuilder& Array(std::string_view key, std::uint32_t type, std::uint64_t count,
                     const std::string& elements) {
    return Key(key, 9, Bytes(type) + Bytes(count) + elements);
  }
  /// `dimensions`: innermost first, as the file has them; `offset`: a lie about it.
  GgufBuilder& Tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions,
                      std::uint32_t type, const std::string& data,
                      std::optional<std::uint64_t> offset = std::nullopt) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment, '\0');
    infos_ += String(name) + Bytes(static_cast<std::uint32_t>(dimensions.size())) +
              Bytes(dimensions) + Bytes(type) + Bytes(offset.value_or(data_.size()));
    data_ += data;
    ++tensors_written_;
    return *this;
  }
  std::string Build() const {
    std::string file = "GGUF" + Bytes(version) + Bytes(tensor_count.value_or(tensors_written_)) +
                       Bytes(key_count.value_or(keys_written_)) + keys_ + infos_;
    if (tensors_written_ > 0) file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data_;
  }

 private:
  std::string keys_;
  std::string infos_;
  std::string data_;
  std::uint64_t keys_written_ = 0;
  std::uint64_t tensors_written_ = 0;
};

}  // namespace roundlab::testing
