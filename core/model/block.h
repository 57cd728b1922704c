#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "core/kernels/packed_attention.h"
#include "core/model/cache_slot.h"
#include "core/model/description.h"
#include "core/model/mixer.h"
#include "core/model/rope.h"
#include "core/model/slots.h"

namespace roundlab {

/// A decoder block of any family, as its plan says (BlockPlan). Copies share weights.
class DecoderBlock {
 public:
  DecoderBlock(const ModelDescription& description, std::int64_t place);
  /// hidden: [batch, seq, hidden], float32 or the compute dtype; the same shape comes back. With
  /// gradients to the slots' `effective`, and to `hidden` where that requires grad.
  at::Tensor Forward(const at::Tensor& hidden, const RopeTable& rope) const;
  /// The same for packed tokens: hidden [1, rows, hidden], rope of each row's own position. No
  /// gradient. Throws Error where a quantizer's ranges span the tokens of a text.
  at::Tensor ForwardPacked(const at::Tensor& hidden, const RopeTable& rope,
                           const std::vector<Segment>& segments) const;
  /// The MLP alone, where there is one, of what its norm gives: x [batch, seq, hidden], the same
  /// shape comes back. Without the experts that stand beside it (BlockPlan::ExpertsAside).
  at::Tensor Mlp(const at::Tensor& x) const;
  /// The first quantizer with ranges over the tokens of a text ("inputs of ... are quantized per
  /// tensor with ranges of each text"), or "".
  std::string RangesOfTexts() const;

  void To(const at::Device& device);  ///< moves all weights there
  void Pin();                         ///< from the CPU to pinned memory, which a GPU reads faster
  const BlockPlan& plan() const { return plan_; }
  std::vector<LinearSlot*> Linears();
  LinearSlot& Slot(std::size_t i) { return slots_.at(i); }
  std::vector<NormSlot*> Norms();
  NormSlot& Norm(NormPlace place);
  void SetSinks(const at::Tensor& sinks);  ///< [heads], see AttentionOptions
  std::int64_t index = 0;                  ///< place in the model
  CacheSlot cache;
  MixerWeights mixer;
  /// [experts, hidden] float32 where the MLP has experts, a row more for a shared_gate. A factor
  /// that is folded into the norm before the MLP must be taken out here too.
  at::Tensor router;
  at::Tensor router_bias;     ///< [experts] float32 or undefined
  at::Tensor correction;      ///< [experts] float32 or undefined, see ExpertsPlan::correction
  at::Tensor expert_factors;  ///< [experts] float32 or undefined, see ExpertsPlan
  at::Tensor output_factor;   ///< [1] float32 or undefined, see BlockPlan
  at::Tensor activation;      ///< of Activation::kXielu: [4] float32, alpha_p, alpha_n, beta, eps
  /// Tokens that each expert has seen in the forward passes so far, if any; shared by copies.
  const std::vector<std::int64_t>& ExpertTokens() const { return *expert_tokens_; }

 private:
  using Segments = std::vector<Segment>;
  struct Heads;
  at::Tensor Run(const at::Tensor& hidden, const RopeTable& rope, const Segments* segments) const;
  Heads Project(const at::Tensor& x) const;
  Heads ProjectLatents(const at::Tensor& x) const;
  at::Tensor Rotate(const at::Tensor& x, const RopeTable& rope) const;
  at::Tensor NormedHeads(NormPlace place, const at::Tensor& rows) const;
  at::Tensor Attention(const at::Tensor& x, const RopeTable& rope, const Segments* segments) const;
  at::Tensor MixTokens(const at::Tensor& x, const RopeTable& rope, const Segments* segments) const;
  at::Tensor Mix(const at::Tensor& x, const Segments* segments) const;
  at::Tensor MixByDeltaRule(const at::Tensor& x, const Segments* segments) const;
  at::Tensor MixByStateSpace(const at::Tensor& x, const Segments* segments) const;
  at::Tensor DenseMlp(const at::Tensor& x, std::int64_t expert) const;
  at::Tensor Experts(const at::Tensor& x, const at::Tensor& routed_by) const;
  at::Tensor MlpBranch(const at::Tensor& attended) const;
  bool Watched(std::int64_t expert) const;
  at::Tensor Normed(NormPlace place, const at::Tensor& x) const;
  const NormSlot* FindNorm(NormPlace place) const;
  std::vector<at::Tensor*> Weights();
  const LinearSlot& Role(LinearRole role, std::int64_t expert = -1) const;
  bool Has(LinearRole role, std::int64_t expert = -1) const;

  BlockPlan plan_;
  std::int64_t hidden_ = 0;
  AttentionOptions mixing_;
  std::vector<LinearSlot> slots_;
  std::vector<NormSlot> norms_;
  std::shared_ptr<std::vector<std::int64_t>> expert_tokens_;  // counted in const forward passes
};

}  // namespace roundlab
