#pragma once

#include <string>

namespace roundlab {

/// Of a layer by its name in the checkpoint: "model.layers.12.self_attn.q_proj" is a "q_proj" of
/// block 12, "model.layers.3.mlp.experts.up_proj.7" an "up_proj" of block 3. A name without a
/// number is of block 0.
struct LayerPlace {
  int block = 0;     ///< the first number in the name
  std::string kind;  ///< the last part that is no number
};
LayerPlace PlaceOf(const std::string& layer);

}  // namespace roundlab
