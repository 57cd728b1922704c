// Part of the simulated GPU (README.md): libroundlab_cuda.so, its sources compiled for the host.

#include "tests/core/kernels/cuda_on_host.h"
//
#include "core/kernels/cuda/elementwise.cu"
#include "core/kernels/cuda/error_feedback.cu"
#include "core/kernels/cuda/fake_quant.cu"
#include "core/kernels/cuda/float8.cu"
#include "core/kernels/cuda/logit_sum.cu"
