#include "rounding/stages/scale_groups.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "rounding/unit_work.h"

namespace roundlab {
namespace {

LinearSlot* Find(DecoderBlock* block, LinearRole role) {
  for (LinearSlot* slot : block->Linears()) {
    if (slot->role == role && slot->expert < 0) return slot;
  }
  return nullptr;
}

std::vector<LinearSlot*> Readers(DecoderBlock* block, const std::vector<std::size_t>& inputs) {
  std::vector<LinearSlot*> slots;
  for (LinearSlot* slot : block->Linears()) {
    if (std::find(inputs.begin(), inputs.end(), slot->input) != inputs.end()) slots.push_back(slot);
  }
  return slots;
}

/// Divides rows [first, first + s) of a linear and of its bias by s.
void DivideRows(LinearSlot* slot, std::int64_t first, const at::Tensor& s) {
  slot->weight = slot->weight.clone();
  slot->weight.narrow(0, first, s.numel()).div_(s.unsqueeze(1));
  if (!slot->bias.defined()) return;
  slot->bias = slot->bias.clone();
  slot->bias.narrow(0, first, s.numel()).div_(s);
}

void DivideNorm(NormSlot* norm, const at::Tensor& s) {
  norm->weight = (norm->weight + norm->plan.offset) / s - norm->plan.offset;
  if (norm->bias.defined()) norm->bias = norm->bias / s;
}

}  // namespace

std::vector<ScaleGroup> NormGroups(DecoderBlock* block) {
  std::vector<ScaleGroup> groups;
  for (NormSlot* norm : block->Norms()) {
    if (InsideAttention(norm->plan.place)) continue;
    ScaleGroup group;
    group.slots = Readers(block, norm->plan.feeds);
    group.norm = norm;
    if (group.slots.empty()) continue;
    bool attention = false;
    bool mlp = false;
    for (const LinearSlot* slot : group.slots) {
      (ReadsAttention(slot->role) ? attention : mlp) = true;
      if (slot->expert >= 0) group.obstacle = "it feeds experts";
    }
    if (attention) {
      for (const LinearRole role : {LinearRole::kAttentionOutput, LinearRole::kMixerOutput}) {
        if (LinearSlot* output = Find(block, role)) group.watched.push_back(output);
      }
    }
    if (mlp) group.watched.push_back(Find(block, LinearRole::kDown));
    group.divide_input = [norm](const at::Tensor& s) { DivideNorm(norm, s); };
    if (norm->bias.defined()) {
      group.shift_input = [norm](const at::Tensor& d) { norm->bias = norm->bias - d; };
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<ScaleGroup> NormGroups(const Unit& unit) {
  std::vector<ScaleGroup> groups;
  for (const auto& block : unit.blocks()) {
    for (ScaleGroup& group : NormGroups(block.get())) groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<ScaleGroup> FreeGroups(const UnitWork& work, std::vector<ScaleGroup> groups,
                                   const std::string& undone) {
  if (groups.empty()) {
    work.log().Write(work.unit().name() + ": " + undone +
                     ", since it has no layers whose input alone can be scaled");
  }
  std::erase_if(groups, [&](const ScaleGroup& group) {
    if (group.obstacle.empty()) return false;
    work.log().Write(group.slots.front()->name + ": " + undone + ", since " + group.obstacle);
    return true;
  });
  return groups;
}

std::vector<ScaleGroup> OutputGroups(DecoderBlock* block) {
  LinearSlot* output = Find(block, LinearRole::kAttentionOutput);
  if (output == nullptr) return {};
  ScaleGroup group;
  group.slots = {output};
  group.watched = {output};
  LinearSlot* value = Find(block, LinearRole::kValue);
  if (block->plan().attention.latent > 0) {
    group.obstacle = "v is made of a latent";
  } else if (block->plan().KeysAreValues()) {
    group.obstacle = "v is made of k's rows";
  } else if (block->plan().Norm(NormPlace::kValue) != nullptr) {
    group.obstacle = "v is normalized";
  } else if (value == nullptr) {
    group.obstacle = "v is stored in one matrix with q and k";
  } else if (value->weight.size(0) != output->weight.size(1)) {
    group.obstacle = "v has other channels (grouped-query attention)";
  } else if (block->plan().attention.clip > 0) {
    group.obstacle = "v is held to a range";
  }
  group.divide_input = [value](const at::Tensor& s) { DivideRows(value, 0, s); };
  // Attention's weights sum to 1: what v loses, the output layer's input loses. Not beside a sink,
  // and not behind gates.
  const AttentionPlan& attention = block->plan().attention;
  const bool whole = attention.sinks.empty() && !attention.gated;
  if (value != nullptr && value->bias.defined() && whole) {
    group.shift_input = [value](const at::Tensor& d) { value->bias = value->bias - d; };
  }
  group.made_by = value;
  return {std::move(group)};
}

std::vector<ScaleGroup> DownGroups(DecoderBlock* block) {
  LinearSlot* down = Find(block, LinearRole::kDown);
  if (down == nullptr) return {};
  ScaleGroup group;
  group.slots = {down};
  group.watched = {down};
  LinearSlot* up = Find(block, LinearRole::kUp);
  std::int64_t first = 0;
  if (up == nullptr) {
    up = Find(block, LinearRole::kGateUp);  // rows of gate, then those of up
    first = down->weight.size(1);
  }
  const MlpPlan& mlp = block->plan().mlp;
  const bool held = mlp.clamp > 0 || mlp.up_offset != 0;
  if (held || (!mlp.gated && mlp.activation != Activation::kRelu)) {
    group.obstacle = "its activation does not pass a factor on";
  }
  if (down->signs.defined()) group.obstacle = "what it is fed is turned (model.rotate)";
  group.divide_input = [up, first](const at::Tensor& s) { DivideRows(up, first, s); };
  group.made_by = up;
  group.first_row = first;
  return {std::move(group)};
}

std::vector<QueryKeyGroup> QueryKeyGroups(DecoderBlock* block) {
  if (Find(block, LinearRole::kAttentionOutput) == nullptr) return {};
  const AttentionPlan& a = block->plan().attention;
  QueryKeyGroup group;
  group.query = Find(block, LinearRole::kQuery);
  group.key = Find(block, LinearRole::kKey);
  if (a.latent > 0) {
    group.obstacle = "k is made of a latent";
    return {std::move(group)};
  }
  if (group.query == nullptr || group.key == nullptr) {
    group.obstacle = "q and k are stored in one matrix";
    return {std::move(group)};
  }
  if (a.clip > 0) group.obstacle = "q and k are held to a range";
  if (a.gated && !a.gate_apart) group.obstacle = "q is stored in one matrix with gates";
  for (const NormPlace place : {NormPlace::kQuery, NormPlace::kKey}) {
    if (block->plan().Norm(place) != nullptr) group.obstacle = "q and k are normalized";
  }
  const std::int64_t turned = a.rotary == RotaryStyle::kNone ? 0 : a.rotary_dim;
  const at::Tensor dims = at::arange(a.head_dim, at::kLong);
  const at::Tensor pair = a.rotary == RotaryStyle::kPair
                              ? dims.floor_divide(2)
                              : dims.remainder(std::max(turned / 2, std::int64_t{1}));
  const at::Tensor factor = at::where(dims < turned, pair, dims - turned / 2);
  const std::int64_t free = a.head_dim - turned / 2;
  const at::Tensor heads = at::arange(a.kv_heads, at::kLong).unsqueeze(1) * free + factor;
  group.factors = a.kv_heads * free;
  group.of_key = heads.flatten();
  group.of_query = heads.repeat_interleave(a.heads / a.kv_heads, 0).flatten();
  return {std::move(group)};
}

void Fold(const QueryKeyGroup& group, const at::Tensor& t) {
  DivideRows(group.query, 0, t.index_select(0, group.of_query.to(t.device())));
  DivideRows(group.key, 0, t.reciprocal().index_select(0, group.of_key.to(t.device())));
}

void Shift(const ScaleGroup& group, const at::Tensor& d) {
  group.shift_input(d);
  for (LinearSlot* slot : group.slots) {
    const at::Tensor change = at::mv(slot->weight, d);
    slot->bias = slot->bias.defined() ? slot->bias + change : change;
  }
}

std::vector<at::Tensor> Weights(const ScaleGroup& group) {
  std::vector<at::Tensor> weights;
  for (const LinearSlot* slot : group.slots) weights.push_back(slot->weight);
  return weights;
}

at::Tensor LargestByInput(const std::vector<at::Tensor>& weights) {
  at::Tensor largest = weights.front().abs().amax(0);
  for (const at::Tensor& weight : weights) largest = at::maximum(largest, weight.abs().amax(0));
  return largest;
}

void Fold(const ScaleGroup& group, const at::Tensor& s) {
  for (LinearSlot* slot : group.slots) slot->weight = slot->weight * s;
  group.divide_input(s);
}

}  // namespace roundlab
