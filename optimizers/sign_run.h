#pragma once

#include <cstdint>

namespace roundlab {

/// parameter += step * sign(direction) for `count` equally spaced elements; sign(0) and sign(NaN)
/// are 0. data[0]: the first parameter, data[1]: the first direction, both of type T (float or
/// double); strides in bytes.
template <class T>
void SignRun(char** data, const std::int64_t* strides, std::int64_t count, T step);

}  // namespace roundlab
