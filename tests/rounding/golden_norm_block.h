#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/model/families/llama.h"
#include "rounding/stages/scale_groups.h"
#include "tests/rounding/golden_cases.h"

namespace roundlab::testing {

/// A Llama block with a norm and the layers that read it from a golden file: tensors
/// PREFIX + "self_attn.q_proj" or "q", ..., the norm under its own name. The rest is empty.
class GoldenNormBlock {
 public:
  GoldenNormBlock(const SafetensorsFile& file, const std::string& prefix, const std::string& norm) {
    ModelDescription d;
    UseLlamaPlans(&d);
    d.family = "llama";
    d.hidden = GoldenTensor(file, norm).numel();
    d.layers = d.heads = d.kv_heads = 1;
    d.head_dim = d.intermediate = d.hidden;
    d.windows = {0};
    block_ = std::make_unique<DecoderBlock>(d, 0);
    for (const TensorView& view : file.tensors()) {
      const std::string name(view.name);
      if (!name.starts_with(prefix)) continue;
      for (LinearSlot* slot : block_->Linears()) {
        const std::string own = name.substr(prefix.size());
        if (!slot->name.ends_with("." + own) && !slot->name.ends_with("." + own + "_proj"))
          continue;
        slot->weight = GoldenTensor(file, name);
        names_[slot] = own;
      }
    }
    for (ScaleGroup& group : NormGroups(block_.get())) {
      if (std::all_of(group.slots.begin(), group.slots.end(),
                      [](const LinearSlot* slot) { return slot->weight.defined(); })) {
        group_ = std::move(group);
      }
    }
    ROUNDLAB_CHECK(!group_.slots.empty(), "no norm's readers are all in the file");
    const bool attention = group_.slots.front()->role == LinearRole::kQuery;
    norm_ = &block_->Norm(attention ? NormPlace::kBeforeAttention : NormPlace::kBeforeMlp);
    norm_->weight = GoldenTensor(file, norm);
  }

  ScaleGroup& Group() { return group_; }
  NormSlot& Norm() { return *norm_; }
  const std::string& NameOf(const LinearSlot& slot) const { return names_.at(&slot); }
  std::vector<at::Tensor> Weights() const {
    std::vector<at::Tensor> weights;
    for (const LinearSlot* slot : group_.slots) weights.push_back(slot->weight);
    return weights;
  }

 private:
  std::unique_ptr<DecoderBlock> block_;
  std::map<const LinearSlot*, std::string> names_;
  ScaleGroup group_;
  NormSlot* norm_ = nullptr;
};

}  // namespace roundlab::testing
