#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "core/kernels/cuda/load.h"

// How tensors are handed to the kernels of interface.h.

namespace roundlab::cuda {

/// Throws where the kernels have no such dtype.
Dtype DtypeOf(at::ScalarType dtype);

/// Null of an undefined tensor. Throws where it is not contiguous float32.
float* Floats(const at::Tensor& t);
inline const void* Read(const at::Tensor& t) { return t.const_data_ptr(); }
inline void* Write(const at::Tensor& t) { return t.mutable_data_ptr(); }

/// Calls `work` with the stream that ATen's operations on `t` are queued on. Throws Error where it
/// answers another code than 0.
void OnStream(const Kernels& kernels, const at::Tensor& t,
              const std::function<int(void* stream)>& work);

/// Queues a kernel there.
template <class Job>
void Launch(const Kernels& kernels, int (*function)(const Job*, void*), const Job& job,
            const at::Tensor& t) {
  OnStream(kernels, t, [&](void* stream) { return function(&job, stream); });
}

}  // namespace roundlab::cuda
