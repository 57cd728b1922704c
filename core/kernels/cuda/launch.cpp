#include "core/kernels/cuda/launch.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <string>

#include "core/base/error.h"

namespace roundlab::cuda {

Dtype DtypeOf(at::ScalarType dtype) {
  if (dtype == at::kHalf) return Dtype::kHalf;
  ROUNDLAB_CHECK(dtype == at::kFloat || dtype == at::kBFloat16, "a dtype of the fused kernels");
  return dtype == at::kFloat ? Dtype::kFloat : Dtype::kBFloat16;
}

float* Floats(const at::Tensor& t) {
  if (!t.defined()) return nullptr;
  ROUNDLAB_CHECK(t.scalar_type() == at::kFloat && t.is_contiguous(), "contiguous float32");
  return static_cast<float*>(t.unsafeGetTensorImpl()->mutable_data());
}

void OnStream(const Kernels& kernels, const at::Tensor& t,
              const std::function<int(void* stream)>& work) {
  int code = 0;
  if (t.is_cuda()) {
    const c10::DeviceGuard here(t.device());
    const c10::impl::VirtualGuardImpl guard(t.device().type());
    code = work(guard.getStreamNativeHandle(guard.getStream(t.device())));
  } else {
    code = work(nullptr);
  }
  if (code != 0) throw Error(std::string("a CUDA kernel failed: ") + kernels.error(code));
}

}  // namespace roundlab::cuda
