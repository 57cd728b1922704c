#include "core/quant/border.h"

#include <ATen/ATen.h>

namespace roundlab {

at::Tensor QuadraticBorder(const at::Tensor& x, const at::Tensor& b0, const at::Tensor& b1,
                           const at::Tensor& b2) {
  return (b0 + b1 * x + b2 * x.square()).sigmoid();
}

at::Tensor RoundAtBorder(const at::Tensor& position, const at::Tensor& border) {
  const at::Tensor above = position - border;
  return above + (above.ceil() - above).detach();
}

}  // namespace roundlab
