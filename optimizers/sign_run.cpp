#include "optimizers/sign_run.h"

namespace roundlab {
namespace {

template <class T>
T Sign(T x) {
  return static_cast<T>(static_cast<int>(x > 0) - static_cast<int>(x < 0));
}

}  // namespace

template <class T>
void SignRun(char** data, const std::int64_t* strides, std::int64_t count, T step) {
  constexpr std::int64_t kDense = sizeof(T);
  if (strides[0] == kDense && strides[1] == kDense) {
    T* parameter = reinterpret_cast<T*>(data[0]);
    const T* direction = reinterpret_cast<const T*>(data[1]);
    for (std::int64_t i = 0; i < count; ++i) parameter[i] += step * Sign(direction[i]);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    T* parameter = reinterpret_cast<T*>(data[0] + i * strides[0]);
    *parameter += step * Sign(*reinterpret_cast<const T*>(data[1] + i * strides[1]));
  }
}

template void SignRun(char**, const std::int64_t*, std::int64_t, float);
template void SignRun(char**, const std::int64_t*, std::int64_t, double);

}  // namespace roundlab
