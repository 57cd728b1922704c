#pragma once

#include <cstdint>
#include <string>

namespace roundlab::testing {

/// A random Llama of 32 hidden features over the 256 bytes, as a Hugging Face folder: config.json,
/// model.safetensors, tokenizer.json.
struct TinyModel {
  int layers = 2;
  std::int64_t context = 64;
  bool biases = false;  ///< of attention's layers
  bool nan = false;     ///< one weight of the last block is NaN
  float largest = 0;    ///< if not 0, one weight of the last block is this
  /// If not 0, the magnitude of all weights of the last block's `loud_layer`: 3e4 in down_proj is
  /// too much for hidden states of float16, 1e38 for those of float32.
  float loud = 0;
  std::string loud_layer = "mlp.down_proj";

  /// Makes `folder`.
  void Write(const std::string& folder) const;
};

/// `bytes` letters and spaces, the same for the same seed.
std::string RandomText(std::size_t bytes, unsigned seed);

}  // namespace roundlab::testing
