#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config/fields.h"

namespace roundlab {

/// An integer that may be absent.
class OptionalInt : public ValueField {
 public:
  OptionalInt(std::optional<std::int64_t>* value, Interval allowed)
      : value_(value), allowed_(allowed) {}
  void Read(const ConfigNode& node, const std::string& path,
            std::vector<Diagnostic>* diagnostics) override;
  std::string Write() const override { return value_->has_value() ? std::to_string(**value_) : ""; }
  std::string Type() const override { return "integer in " + allowed_.ToString(); }

 private:
  std::optional<std::int64_t>* value_;
  Interval allowed_;
};

}  // namespace roundlab
