#pragma once

#include <string>

namespace roundlab {

/// The shortest text that reads back as the same number: "6", "0.1", "4e-07".
std::string RealText(double value);

}  // namespace roundlab
