#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/model/block.h"

namespace roundlab {

/// A part of the model whose outputs are to be reproduced: one linear layer, one block or several.
struct Reconstruction {
  std::string name;                ///< "block_3", "blocks_4-5", "model.layers.0.mlp.up_proj"
  std::vector<LinearSlot*> slots;  ///< the layers that are rounded
  std::function<at::Tensor(const at::Tensor&)> forward;  ///< inputs of some rows -> outputs
  /// Where set, what the loss compares of outputs and of targets, as the model's logits.
  std::function<at::Tensor(const at::Tensor&)> read = {};
  std::int64_t bits = 16;  ///< of the codes, the fewest of `slots`; 16 where none are rounded
  bool sym_full = false;   ///< whether the grids of all are sym_full
};

}  // namespace roundlab
