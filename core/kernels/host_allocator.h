#pragma once

namespace roundlab {

/// Makes libtorch take memory for CPU tensors from malloc, with room to begin at a multiple of 64
/// bytes. Its own way, posix_memalign, asks glibc for more than it keeps, so that a freed tensor's
/// place is too small for the next of the same size, and a program that makes and frees them grows
/// to several times what it holds (results/tuning-speed.md). Call it once, first thing in a
/// program.
void TakeTensorsFromMalloc();

}  // namespace roundlab
