#pragma once

#include "rounding/scheme.h"

namespace roundlab {

/// AQuant (arXiv 2208.11945): a learned border B takes the place of nearest rounding's 1/2,
///   q = clamp(ceil(w / s - B) + z, 0, Q),   B = sigmoid(b0 + b1 x + b2 x^2)
/// with x = w / s, in steps of the grid, and b0, b1, b2 of each group (a row, where a group is
/// one), 0 at first: nearest, ties down. Gradients pass straight through ceil. The paper puts
/// borders on activations, where they change the kernels, and learns AdaRound beside them; on
/// weights they cost nothing once rounded (activations': LearnedQuantizers). There is no public
/// code of it.
class AQuant : public RoundingScheme {
 public:
  struct Options {
    bool quadratic = true;
    void Fields(FieldVisitor& f);
  };
  explicit AQuant(const Options& options) : options_(options) {}
  std::unique_ptr<LayerRounding> Begin(const LayerContext& layer) const override;
  /// Adam as in the paper; the rate, and 200 steps where it takes 20,000, are ours.
  SchemeTraits Traits() const override {
    return {
        .tells_latents = true, .any_device = true, .tuning = "optimizer: {type: adam, lr: 0.01}\n"};
  }
  LayerTraits OnLayer(const LayerShape& layer) const override {
    return {.trained = (options_.quadratic ? 3 : 1) / layer.GroupWidth(), .kept = 5.5};
  }

 private:
  Options options_;
};

}  // namespace roundlab
