#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "core/model/block.h"

namespace roundlab {

/// Linears of a block that share an input whose channels may be scaled: x / s and W diag(s) leave
/// the block's function as it is.
struct ScaleGroup {
  std::vector<LinearSlot*> slots;    ///< all that read the input
  std::vector<LinearSlot*> watched;  ///< whose outputs tell what rounding `slots` does
  std::string obstacle;              ///< why the input can't be scaled, or ""
  NormSlot* norm = nullptr;          ///< that gives the input, where one does
  /// Divides the input by s [in] where it comes from.
  std::function<void(const at::Tensor& s)> divide_input;
};

/// The inputs that norms give: of q, k and v, of gate and up, or of all in parallel blocks.
std::vector<ScaleGroup> NormGroups(DecoderBlock* block);
/// That of the attention's output layer, made by v. Empty where there is no attention.
std::vector<ScaleGroup> OutputGroups(DecoderBlock* block);
/// That of down, made by up. Empty where there are experts (their up and gate have the obstacle).
std::vector<ScaleGroup> DownGroups(DecoderBlock* block);

/// W <- W diag(s) for the group's linears, and the input divided by s. s: [in] float32, > 0.
void Fold(const ScaleGroup& group, const at::Tensor& s);

}  // namespace roundlab
