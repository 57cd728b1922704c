#include "optimizers/sign_step.h"

#include <ATen/TensorIterator.h>

#include <sstream>

#include "core/base/error.h"
#include "optimizers/sign_run.h"

namespace roundlab {
namespace {

// ATen's own iterator, because at::parallel_for inlined here would need OpenMP in this build.
template <class T>
void FusedStep(const at::Tensor& parameter, const at::Tensor& direction, double lr) {
  auto iterator = at::TensorIteratorConfig()
                      .add_output(parameter)
                      .add_const_input(direction)
                      .resize_outputs(false)
                      .build();
  const T step = static_cast<T>(-lr);
  iterator.for_each([step](char** data, const std::int64_t* strides, std::int64_t count) {
    SignRun<T>(data, strides, count, step);
  });
  parameter.unsafeGetTensorImpl()->bump_version();
}

}  // namespace

void SignStep(const at::Tensor& parameter, const at::Tensor& direction, double lr) {
  const auto dtype = parameter.scalar_type();
  if (parameter.sizes() != direction.sizes() || dtype != direction.scalar_type()) {
    std::ostringstream text;
    text << "parameter " << dtype << parameter.sizes() << ", direction " << direction.scalar_type()
         << direction.sizes();
    ROUNDLAB_CHECK(false, text.str());
  }
  const bool on_cpu = parameter.is_cpu() && direction.is_cpu();
  if (on_cpu && dtype == at::kFloat) return FusedStep<float>(parameter, direction, lr);
  if (on_cpu && dtype == at::kDouble) return FusedStep<double>(parameter, direction, lr);
  SignStepReference(parameter, direction, lr);
}

void SignStepReference(const at::Tensor& parameter, const at::Tensor& direction, double lr) {
  parameter.add_(direction.sign(), -lr);
}

}  // namespace roundlab
