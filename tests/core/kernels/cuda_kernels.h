#pragma once

#include "core/kernels/cuda/load.h"

namespace roundlab::testing {

/// The CUDA kernels' source, compiled for the host: for tensors on the CPU.
const cuda::Kernels& HostKernels();

}  // namespace roundlab::testing
