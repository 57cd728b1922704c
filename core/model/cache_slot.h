#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace roundlab {

struct ActivationQuantizer;

/// Keys and values of the tokens of texts so far, [batch, tokens, kv_heads, head_dim], as queries
/// see them; undefined before the first. A block that has one reads whole texts first, and then a
/// token of each text at a time, at that token's rotary angles.
struct KeyValues {
  at::Tensor keys;
  at::Tensor values;
  void Append(const at::Tensor& more_keys, const at::Tensor& more_values);
};

/// What is done to keys and values [batch, tokens, kv_heads, head_dim] before any query sees them.
struct CacheSlot {
  std::shared_ptr<const ActivationQuantizer> keys;    ///< may be null
  std::shared_ptr<const ActivationQuantizer> values;  ///< may be null
  bool before_rotary = false;                         ///< keys are quantized before rotary
  /// Queries and keys are turned by HadamardTransform after rotary: their products stay.
  bool turned = false;
  std::function<void(const at::Tensor& keys, const at::Tensor& values)> on_cache;  ///< sees both
  std::shared_ptr<KeyValues> past;  ///< where set, texts go on where they were: see KeyValues
};

}  // namespace roundlab
