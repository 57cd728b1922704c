#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/kernels/linear.h"
#include "core/model/layer_plan.h"
#include "core/model/norm_plan.h"

namespace roundlab {

struct ActivationQuantizer;

/// One linear layer, seen by the code that rounds it. The block runs with `effective` where it is
/// defined and with `weight` otherwise; `weight` never changes but by transforms.
struct LinearSlot {
  std::string name;           ///< Hugging Face name without ".weight": "model.layers.0.mlp.up_proj"
  at::Tensor weight;          ///< [out, in] float32; of a Conv1D the transpose of what is stored
  at::Tensor bias;            ///< [out] float32 or undefined
  at::Tensor effective;       ///< [out, in] or undefined; may require grad
  at::Tensor effective_bias;  ///< [out] float32 or undefined: takes the place of bias
  at::Tensor signs;  ///< [in] +-1 or undefined: the weight multiplies HadamardTransform(signs x)
  std::function<void(const at::Tensor&)> on_input;  ///< sees each input [..., in] where set, turned
  /// Sees the same and what `quantizer` makes of it, where both are set.
  std::function<void(const at::Tensor& turned, const at::Tensor& quantized)> on_quantized;
  std::shared_ptr<const ActivationQuantizer> quantizer;  ///< of that input; may be null
  LinearTuning tuning = {};                              ///< of the gradient to `effective`
  std::size_t input = 0;  ///< slots of a block with the same number see the same tensor
  LinearRole role = LinearRole::kUp;
  std::int64_t expert = -1;  ///< of a mixture: it sees [rows, in], of the tokens sent to it

  const at::Tensor& Current() const { return effective.defined() ? effective : weight; }
  at::Tensor Forward(const at::Tensor& x) const;  ///< x [..., in] -> [..., out] of its dtype
  /// The same of an input that on_input has seen, and what the weight multiplies of it.
  at::Tensor Multiply(const at::Tensor& turned) const;
  at::Tensor Quantized(const at::Tensor& turned) const;
};

/// A norm of a block, seen by transforms that fold factors into it.
struct NormSlot {
  std::string name;   ///< Hugging Face name without ".weight"
  at::Tensor weight;  ///< [width] float32 as stored; the norm multiplies by plan.offset + weight
  at::Tensor bias;    ///< [width] float32 or undefined
  NormPlan plan;      ///< its place, kind, eps, offset and the inputs that it feeds

  /// x [..., width], float32 or the compute dtype; the same comes back.
  at::Tensor Forward(const at::Tensor& x) const;
  void To(const at::Device& device);
};

}  // namespace roundlab
