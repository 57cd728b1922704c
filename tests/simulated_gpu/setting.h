#pragma once

#include <cstdint>
#include <cstdlib>

namespace simulated_gpu {

/// A whole number of the environment.
inline std::int64_t Setting(const char* name, std::int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

}  // namespace simulated_gpu
