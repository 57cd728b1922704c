#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "core/model/block.h"
#include "core/model/families/llama.h"
#include "core/model/rope.h"
#include "tests/support/random_tensor.h"

namespace roundlab::bench {

/// The shape of SmolLM2-135M's blocks.
inline ModelDescription SmolLm2Shape() {
  ModelDescription d;
  UseLlamaPlans(&d);
  d.family = "llama";
  d.hidden = 576;
  d.intermediate = 1536;
  d.layers = 1;
  d.heads = 9;
  d.kv_heads = 3;
  d.head_dim = 64;
  d.vocab = 49152;
  d.max_positions = 2048;
  d.norm_eps = 1e-5;
  d.rope.theta = 100000;
  d.windows = {0};
  return d;
}

/// A block of that shape with random weights.
inline std::unique_ptr<DecoderBlock> RandomBlock(const ModelDescription& d) {
  auto block = std::make_unique<DecoderBlock>(d, 0);
  for (NormSlot* norm : block->Norms()) norm->weight = at::ones({norm->plan.width});
  const auto shapes = d.LinearShapes(0);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    block->Slot(i).weight = testing::RandomTensor(shapes[i], i, 0.05);
  }
  return block;
}

}  // namespace roundlab::bench
