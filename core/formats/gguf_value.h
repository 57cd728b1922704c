#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace roundlab {

/// A metadata value of a GGUF file; arrays are of one of these element kinds. Stored unsigned types
/// are uint64, signed ones int64, float32 and float64 double; arrays of any integers are int64.
using GgufValue =
    std::variant<bool, std::int64_t, std::uint64_t, double, std::string, std::vector<std::int64_t>,
                 std::vector<double>, std::vector<std::string>, std::vector<bool>>;

}  // namespace roundlab
