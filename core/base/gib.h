#pragma once

#include <string>

namespace roundlab {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;  ///< bytes
std::string GibText(double bytes);                 ///< "12.5 GiB"

}  // namespace roundlab
