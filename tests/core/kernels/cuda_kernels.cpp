#include "tests/core/kernels/cuda_kernels.h"

#include "tests/core/kernels/cuda_on_host.h"
//
#include "core/kernels/cuda/elementwise.cu"
#include "core/kernels/cuda/error_feedback.cu"
#include "core/kernels/cuda/fake_quant.cu"
#include "core/kernels/cuda/float8.cu"
#include "core/kernels/cuda/logit_sum.cu"

namespace roundlab::testing {

const cuda::Kernels& HostKernels() {
  static const cuda::Kernels kernels = {
      roundlab_cuda_error,     roundlab_fake_quant,        roundlab_fake_quant_backward,
      roundlab_rms_norm,       roundlab_rms_norm_backward, roundlab_rope,
      roundlab_swiglu,         roundlab_swiglu_backward,   roundlab_mse,
      roundlab_mse_backward,   roundlab_float8_columns,    roundlab_copy_if,
      roundlab_error_feedback, roundlab_logit_sums};
  return kernels;
}

}  // namespace roundlab::testing
