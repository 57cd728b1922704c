#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/config/registry.h"

namespace roundlab {

/// What is tuned, as far as a loss depends on it.
struct TunedCodes {
  std::int64_t bits = 16;  ///< of codes, the fewest of a unit's layers; 16 where none are rounded
  std::int64_t input_bits = 32;  ///< of what those are fed, the fewest; 32 where not quantized
  bool sym_full = false;         ///< whether the grids of all are sym_full
};

/// How far a unit's outputs are from those wanted.
class Loss {
 public:
  virtual ~Loss() = default;
  /// outputs, targets: [rows, seq, features], any dtype; mask: bool [rows, seq], the tokens that
  /// count, or undefined: all -> scalar float32, differentiable in outputs. The differences of
  /// other tokens are 0; means are over all (auto-round 0.16.1).
  virtual at::Tensor Of(const at::Tensor& outputs, const at::Tensor& targets,
                        const at::Tensor& mask) const = 0;
  at::Tensor Of(const at::Tensor& outputs, const at::Tensor& targets) const {
    return Of(outputs, targets, {});
  }
  /// Said before the first Of.
  virtual void SetCodes(const TunedCodes& /*codes*/) {}
  /// Whether Of several rows is the mean of Of each.
  virtual bool IsMeanOfRows() const { return false; }
  /// Whether outputs are the model's logits: then the whole model must be one unit.
  virtual bool OfLogits() const { return false; }
};

using LossRegistry = Registry<Loss>;
using LossRecipe = Recipe<Loss>;

/// mse, soft_labels, sum_squares, sum_tokens, trimmed_mse.
LossRegistry& Losses();

}  // namespace roundlab
