#include "core/base/allocator.h"

#include <limits>  // any header of the C++ library tells which C library there is

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace roundlab {

void KeepFreedMemory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);                         // the largest that glibc takes
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());  // a step may free 600 MB at once
  mallopt(M_TOP_PAD, 16 << 20);
#endif
}

}  // namespace roundlab
