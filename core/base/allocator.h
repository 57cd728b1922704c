#pragma once

namespace roundlab {

/// Makes the C allocator keep freed memory for the next tensor of like size instead of giving it
/// back to the system: fresh pages have to be cleared, which costs more than many a kernel. Call it
/// once, first thing in a program. Does nothing with other C libraries than glibc.
void KeepFreedMemory();

}  // namespace roundlab
