#pragma once

namespace roundlab::testing {

/// Whether this is a build with the address sanitizer, which has an allocator and vector math of
/// its own (core/kernels/vector_math.h).
#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace roundlab::testing
