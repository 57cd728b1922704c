#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "core/model/block.h"
#include "core/model/loader.h"

namespace roundlab {

/// Some consecutive blocks of a model, loaded: what the pipeline has in memory at a time.
class Portion {
 public:
  Portion(const ModelFiles& files, std::int64_t first, std::int64_t last, const RopeTable& rope);

  at::Tensor Forward(const at::Tensor& hidden) const;
  std::vector<LinearSlot*> Slots() const;

  /// Runs `work` with the original weights in all slots, then puts the chosen ones back.
  void WithOriginalWeights(const std::function<void()>& work) const;

  /// chain <- Forward(chain), a few rows at a time, in the same memory. May throw Interrupted.
  void Advance(const at::Tensor& chain) const;

  /// What `slot` is fed when the portion runs over `chain`: [rows, seq, in].
  at::Tensor CaptureInputs(const at::Tensor& chain, LinearSlot* slot) const;

  /// The same for all slots at once, over a few rows.
  std::vector<at::Tensor> CaptureAllInputs(const at::Tensor& rows) const;

 private:
  std::vector<std::unique_ptr<DecoderBlock>> blocks_;
  const RopeTable& rope_;
};

}  // namespace roundlab
