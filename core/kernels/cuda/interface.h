#pragma once

#include "core/kernels/cuda/feedback_job.h"
#include "core/kernels/cuda/float8_job.h"
#include "core/kernels/cuda/jobs.h"
#include "core/kernels/cuda/logit_sum_job.h"

// The plain C interface of libroundlab_cuda.so, the fused kernels for NVIDIA GPUs: built by nvcc
// where there is one, opened at run time where a GPU is used. Pointers are to the device's memory,
// tensors are contiguous, work is queued on `stream` (a cudaStream_t). Every function returns a
// cudaError_t, 0 where all went well. What each computes is told in core/kernels/ops.h,
// error_feedback.h and logit_sums.h.

namespace roundlab::cuda {

/// Goes up whenever a function here or a struct of theirs changes: a library of another number is
/// not used.
constexpr int kInterfaceVersion = 5;

}  // namespace roundlab::cuda

extern "C" {
int roundlab_cuda_version();
const char* roundlab_cuda_error(int code);
int roundlab_fake_quant(const roundlab::cuda::FakeQuantJob* job, void* stream);
int roundlab_fake_quant_backward(const roundlab::cuda::FakeQuantJob* job, void* stream);
int roundlab_rms_norm(const roundlab::cuda::NormJob* job, void* stream);
int roundlab_rms_norm_backward(const roundlab::cuda::NormJob* job, void* stream);
int roundlab_rope(const roundlab::cuda::RopeJob* job, void* stream);
int roundlab_swiglu(const roundlab::cuda::SwiGluJob* job, void* stream);
int roundlab_swiglu_backward(const roundlab::cuda::SwiGluJob* job, void* stream);
int roundlab_mse(const roundlab::cuda::MseJob* job, void* stream);
int roundlab_mse_backward(const roundlab::cuda::MseJob* job, void* stream);
int roundlab_float8_columns(const roundlab::cuda::Float8Job* job, void* stream);
int roundlab_copy_if(const roundlab::cuda::CopyIfJob* job, void* stream);
int roundlab_error_feedback(const roundlab::cuda::FeedbackJob* job, void* stream);
int roundlab_logit_sums(const roundlab::cuda::LogitSumJob* job, void* stream);
}
