#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "core/kernels/cuda/interface.h"

namespace roundlab::cuda {

/// Where there is a driver, opens libtorch_cuda.so: the one in $ROUNDLAB_LIBTORCH, else the one
/// beside the libtorch_cpu.so that runs, else any that the loader finds. Answers what is wrong,
/// with the command that mends it, or "". Where it went well once, it does nothing more.
std::string LoadLibtorch();

/// "" where there is a driver, else what is wrong. Opens nothing else.
std::string DriverProblem();

/// What dlopen's message about libtorch_cuda.so in `folder` says to a user.
std::string LoadProblem(const std::string& folder, const std::string& message);

/// The functions of libroundlab_cuda.so.
struct Kernels {
  decltype(&roundlab_cuda_error) error;
  decltype(&roundlab_fake_quant) fake_quant;
  decltype(&roundlab_fake_quant_backward) fake_quant_backward;
  decltype(&roundlab_rms_norm) rms_norm;
  decltype(&roundlab_rms_norm_backward) rms_norm_backward;
  decltype(&roundlab_rope) rope;
  decltype(&roundlab_swiglu) swiglu;
  decltype(&roundlab_swiglu_backward) swiglu_backward;
  decltype(&roundlab_mse) mse;
  decltype(&roundlab_mse_backward) mse_backward;
  decltype(&roundlab_float8_columns) float8_columns;
  decltype(&roundlab_copy_if) copy_if;
  decltype(&roundlab_error_feedback) error_feedback;
  decltype(&roundlab_logit_sums) logit_sums;
};

/// The fused kernels, or null where they were not built or are of another version: operations then
/// run as ATen's, slower. Opened once, from $ROUNDLAB_CUDA_KERNELS, beside the program or in
/// ../lib, or where the build put it.
const Kernels* LoadKernels();
/// The same for tensors on a device: null on the CPU too, and on a card older than sm_80, which
/// there is no code for.
const Kernels* KernelsOn(const at::Device& device);
/// Ten times the compute capability of the GPU of this number: 90 of an H100.
int Capability(int index);
/// Why LoadKernels() answered null, or "".
std::string KernelsProblem();

}  // namespace roundlab::cuda
