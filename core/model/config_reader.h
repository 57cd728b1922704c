#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace roundlab {

/// Keys of a config.json, with errors that name file and key. A key whose value is null is absent.
class ConfigReader {
 public:
  ConfigReader(nlohmann::json root, std::string file);

  /// Throws Error("<file>: <message>").
  [[noreturn]] void Fail(const std::string& message) const;

  bool Has(const char* key) const;
  /// Also true of a key whose value is null.
  bool Mentions(const char* key) const { return root_.contains(key); }
  const nlohmann::json& root() const { return root_; }
  /// The value of `key`, which must be an object.
  ConfigReader Inside(const char* key) const;
  /// The same, with what `absent` has for keys that are not here.
  ConfigReader Over(const nlohmann::json& absent) const;
  /// One without any key, for where an optional object is absent.
  ConfigReader Without() const { return {nlohmann::json::object(), file_}; }

  /// Positive integers up to 2^24, so that products of two fit.
  std::int64_t Int(const char* key) const;
  std::int64_t IntOr(const char* key, std::int64_t absent) const;
  /// Any integer.
  std::int64_t AnyIntOr(const char* key, std::int64_t absent) const;
  double Positive(const char* key) const;
  double PositiveOr(const char* key, double absent) const;
  bool BoolOr(const char* key, bool absent) const;
  std::string TextOr(const char* key, const std::string& absent) const;
  /// An array of integers; none where the key is absent.
  std::vector<std::int64_t> Integers(const char* key) const;
  /// Positive numbers.
  std::vector<float> Numbers(const char* key) const;
  /// One id, or the first of a list.
  std::optional<std::int32_t> TokenId(const char* key) const;

 private:
  const nlohmann::json& Value(const char* key) const;

  nlohmann::json root_;
  std::string file_;
};

}  // namespace roundlab
