#pragma once

#include <nlohmann/json_fwd.hpp>

namespace roundlab {

/// A double as our JSON has it. JSON has no NaN and no infinity: they are the texts "nan", "inf"
/// and
/// "-inf". What was not measured, or can't be for too few values, is not there at all.
nlohmann::json NumberToJson(double value);

/// Reads it back. Throws Error that says what stands there in place of a number.
double NumberFromJson(const nlohmann::json& value);

/// "nan", "inf" or "-inf"; nullptr for a number that is finite.
const char* NotFiniteName(double value);

}  // namespace roundlab
