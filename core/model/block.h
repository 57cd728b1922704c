#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/kernels/packed_attention.h"
#include "core/model/description.h"
#include "core/model/rope.h"

namespace roundlab {

/// One linear layer, seen by the code that rounds it. The block runs with `effective` where it is
/// defined and with `weight` otherwise; `weight` never changes.
struct LinearSlot {
  std::string name;           ///< Hugging Face name without ".weight": "model.layers.0.mlp.up_proj"
  at::Tensor weight;          ///< [out, in] float32
  at::Tensor bias;            ///< [out] float32 or undefined
  at::Tensor effective;       ///< [out, in] or undefined; may require grad
  at::Tensor effective_bias;  ///< [out] float32 or undefined: takes the place of bias
  std::size_t input = 0;      ///< slots of a block with the same number see the same tensor
  std::int64_t expert = -1;   ///< of a mixture: it sees the tokens sent to it
  std::function<void(const at::Tensor&)> on_input;  ///< sees each input [..., in] where set

  const at::Tensor& Current() const { return effective.defined() ? effective : weight; }
  at::Tensor Forward(const at::Tensor& x) const;
};

/// A pre-norm decoder block of the llama type:
///   x += o(attention(norm1(x))),  x += down(act(gate(norm2(x))) * up(norm2(x)))
/// with grouped-query attention, rotary positions, optional biases, q/k norm and sliding window.
class DecoderBlock {
 public:
  /// Names of the linear layers inside a block, in the order of Linears().
  static const std::vector<std::string>& LinearNames();
  /// The same with the block's place in the model: "model.layers.3.mlp.up_proj".
  static std::vector<std::string> LinearNames(std::int64_t block);

  /// hidden: [batch, seq, hidden], float32 or the compute dtype; the same shape comes back.
  /// Differentiable in the slots' `effective`, and in `hidden` where that requires grad.
  at::Tensor Forward(const at::Tensor& hidden, const RopeTable& rope) const;
  /// The same for packed tokens: hidden [1, rows, hidden], rope of each row's own position. No
  /// gradient.
  at::Tensor ForwardPacked(const at::Tensor& hidden, const RopeTable& rope,
                           const std::vector<Segment>& segments) const;

  std::vector<LinearSlot*> Linears();
  LinearSlot& Slot(std::size_t i) { return slots_.at(i); }

  std::int64_t index = 0;  ///< place in the model
  at::Tensor norm1;        ///< [hidden] float32, before attention
  at::Tensor norm2;        ///< [hidden] float32, before the MLP
  at::Tensor q_norm;       ///< [head_dim] float32 or undefined
  at::Tensor k_norm;       ///< [head_dim] float32 or undefined

  DecoderBlock(const ModelDescription& description, std::int64_t place);

 private:
  using Segments = std::vector<Segment>;
  at::Tensor Run(const at::Tensor& hidden, const RopeTable& rope, const Segments* segments) const;
  at::Tensor Attention(const at::Tensor& x, const RopeTable& rope, const Segments* segments) const;
  AttentionOptions MixOptions() const;
  at::Tensor MixPacked(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       const Segments& segments) const;
  at::Tensor Mlp(const at::Tensor& x) const;

  const ModelDescription description_;
  std::vector<LinearSlot> slots_;
};

}  // namespace roundlab
