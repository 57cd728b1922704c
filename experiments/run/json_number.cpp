#include "experiments/run/json_number.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace roundlab {

using nlohmann::json;

const char* NotFiniteName(double value) {
  if (std::isfinite(value)) return nullptr;
  return std::isnan(value) ? "nan" : (value < 0 ? "-inf" : "inf");
}

json NumberToJson(double value) {
  const char* name = NotFiniteName(value);
  return name == nullptr ? json(value) : json(name);
}

double NumberFromJson(const json& value) {
  if (value.is_number()) return value.get<double>();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return kInfinity;
  if (value == "-inf") return -kInfinity;
  throw Error("expected a number, nan, inf or -inf, got " + value.dump());
}

}  // namespace roundlab
